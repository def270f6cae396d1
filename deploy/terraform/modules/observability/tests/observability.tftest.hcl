mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:made" }
  }
}

variables {
  service           = "gate-1"
  log_group_name    = "/ecs/gate-1"
  documentation_url = "https://code.example.com/headgate/blob/main"
}

run "alone" {
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.gate) == length(local.of_service) + 3
    error_message = "The gate has all alarms of the service and three for its one upstream."
  }
  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.infrastructure) == ["HeadgateLogSilent-gate-1"]
    error_message = "Without a service of ECS and a load balancer, only the heartbeat of the log is watched."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.gate["HeadgateDown-gate-1"].treat_missing_data == "breaching"
    error_message = "Silence is an alarm."
  }
  assert {
    condition     = output.deployment_alarm_names == tolist(["HeadgateGateErrorsFast-gate-1", "HeadgateNoEndpoint-gate-1-default"])
    error_message = "Deployments stop on the alarms that need few minutes."
  }
  assert {
    condition     = length(aws_sns_topic_policy.this) == 2 && alltrue([for each in aws_sns_topic_policy.this : jsondecode(each.policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"])
    error_message = "Services publish to the topics only for this account."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.gate["HeadgateDown-gate-1"].alarm_actions == null || length(aws_cloudwatch_metric_alarm.gate["HeadgateDown-gate-1"].alarm_actions) == 0
    error_message = "What pages does so through the composite alarm."
  }
  assert {
    condition     = one(aws_cloudwatch_metric_alarm.gate["HeadgateKeyExpires-gate-1"].alarm_actions) == output.ticket_topic_arn
    error_message = "What opens a ticket does so itself."
  }
  assert {
    condition     = strcontains(aws_cloudwatch_composite_alarm.page[0].alarm_rule, "ALARM(\"HeadgateDown-gate-1\")") && !strcontains(aws_cloudwatch_composite_alarm.page[0].alarm_rule, "HeadgateKeyExpires")
    error_message = "The composite alarm is made of the alarms that page."
  }
  assert {
    condition     = !can(regex("[$][{][a-z]", aws_cloudwatch_dashboard.this.dashboard_body)) && strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "/ecs/gate-1")
    error_message = "All placeholders of the dashboard are filled in."
  }
  assert {
    condition     = alltrue([for each in aws_cloudwatch_query_definition.this : each.log_group_names == tolist(["/ecs/gate-1"])])
    error_message = "Queries look at the gate's log group."
  }
}

run "everything" {
  variables {
    upstreams = ["team-a", "team-b"]
    ecs = {
      cluster_name       = "ml"
      service_name       = "headgate"
      container_insights = true
    }
    load_balancer = {
      arn_suffix    = "app/headgate/0123456789abcdef"
      target_groups = { blue = "targetgroup/blue/0123456789abcdef", green = "targetgroup/green/0123456789abcdef" }
    }
    excluded_alarms  = ["HeadgateNearLimit"]
    create_topics    = false
    page_topic_arn   = "arn:aws:sns:eu-central-1:123456789012:page"
    ticket_topic_arn = "arn:aws:sns:eu-central-1:123456789012:ticket"
    page_once        = false
    tags             = { team = "ml" }
  }

  assert {
    condition     = length(aws_sns_topic.page) + length(aws_sns_topic.ticket) + length(aws_cloudwatch_composite_alarm.page) == 0
    error_message = "Nothing is created in place of what is given."
  }
  assert {
    condition     = one(aws_cloudwatch_metric_alarm.gate["HeadgateDown-gate-1"].alarm_actions) == "arn:aws:sns:eu-central-1:123456789012:page"
    error_message = "Without the composite alarm, what pages does so itself."
  }
  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.gate), "HeadgateDiscoveryStale-gate-1-team-b") && !contains(keys(aws_cloudwatch_metric_alarm.gate), "HeadgateNearLimit-gate-1")
    error_message = "Each upstream has its alarms, and what is excluded is left out."
  }
  assert {
    condition     = [for each in aws_cloudwatch_metric_alarm.infrastructure["HeadgateNoHealthyTarget-gate-1"].metric_query : each.expression if each.return_data] == ["FILL(m0, 0) + FILL(m1, 0)"]
    error_message = "With blue/green, the sum of both target groups counts."
  }
  assert {
    condition     = alltrue([for each in concat(values(aws_cloudwatch_metric_alarm.infrastructure), values(aws_cloudwatch_metric_alarm.gate)) : length(each.metric_query) == 0 || length([for query in each.metric_query : query if query.return_data]) == 1])
    error_message = "CloudWatch wants exactly one result of each alarm."
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.deployment_failed[0].event_pattern).resources == ["arn:aws:ecs:eu-central-1:123456789012:service/ml/headgate"]
    error_message = "Only this service's deployments count."
  }
  assert {
    condition     = aws_cloudwatch_event_target.deployment_failed[0].arn == "arn:aws:sns:eu-central-1:123456789012:page"
    error_message = "A failed deployment pages."
  }
  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "targetgroup/green/0123456789abcdef") && length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == length(local.generated.widgets) + 3
    error_message = "The dashboard has a row of what is around the gate."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.gate["HeadgateDown-gate-1"].tags == tomap({ team = "ml", service = "gate-1", severity = "page" })
    error_message = "Tags of the caller and of the alarm are joined."
  }
}

run "wrong" {
  command = plan

  variables {
    service           = "a gate"
    namespace         = "AWS/ECS"
    upstreams         = ["team a"]
    log_group_name    = "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/gate-1"
    documentation_url = "https://code.example.com/"
    page_topic_arn    = "page"
    topic_kms_key_arn = "alias/aws/sns"
    excluded_alarms   = ["HeadgateDown"]
    ecs               = { cluster_name = "arn:aws:ecs:eu-central-1:123456789012:cluster/ml", service_name = "headgate" }
    load_balancer     = { arn_suffix = "net/headgate/1", target_groups = { one = "targetgroup/one/1" } }
  }

  expect_failures = [
    var.service, var.namespace, var.upstreams, var.log_group_name, var.documentation_url, var.page_topic_arn,
    var.topic_kms_key_arn, var.excluded_alarms, var.ecs, var.load_balancer,
  ]
}

run "half_a_pair_of_topics" {
  command = plan

  variables {
    create_topics  = false
    page_topic_arn = "arn:aws:sns:eu-central-1:123456789012:page"
  }

  expect_failures = [var.ticket_topic_arn]
}
