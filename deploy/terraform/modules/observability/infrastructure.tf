# Alarms on what is around the gate. Their metrics are AWS's own, except the heartbeat of the log.

locals {
  ecs_dimensions = var.ecs == null ? {} : { ClusterName = var.ecs.cluster_name, ServiceName = var.ecs.service_name }
  cpu_percent    = try(var.ecs.cpu_percent, 0)
  memory_percent = try(var.ecs.memory_percent, 0)
  balancer       = try(var.load_balancer.arn_suffix, "")
  target_groups  = try(var.load_balancer.target_groups, {})
  target_dimensions = {
    for name, suffix in local.target_groups : name => { LoadBalancer = local.balancer, TargetGroup = suffix }
  }
  target_names = sort(keys(local.target_groups))

  # `metrics` with an `expression` over them, or one metric alone. `expression` names them m0, m1, …
  infrastructure = { for name, each in merge(local.of_log, local.of_ecs, local.of_insights, local.of_load_balancer) : "${name}-${var.service}" => each }

  of_log = {
    HeadgateLogSilent = {
      text       = "No line with metrics has arrived in the log group for 15 minutes: the gate is down, or its log does not reach CloudWatch Logs. HeadgateDown tells them apart: it fires alone when lines arrive and CloudWatch refuses what is in them."
      severity   = "ticket"
      comparison = "LessThanThreshold"
      threshold  = 1
      periods    = 3
      missing    = "breaching"
      expression = "m0"
      metrics    = [{ namespace = var.namespace, name = "LogHeartbeat", stat = "Sum", dimensions = { Service = var.service } }]
    }
  }

  of_ecs = { for name, each in {
    HeadgateTasksCpu = {
      text       = "The gate's tasks use more than ${local.cpu_percent} % of their CPU for 15 minutes: requests wait. Add tasks, or CPU to each."
      severity   = "ticket"
      comparison = "GreaterThanThreshold"
      threshold  = local.cpu_percent
      periods    = 3
      missing    = "notBreaching"
      expression = "m0"
      metrics    = [{ namespace = "AWS/ECS", name = "CPUUtilization", stat = "Average", dimensions = local.ecs_dimensions }]
    }
    HeadgateTasksMemory = {
      text       = "The gate's tasks use more than ${local.memory_percent} % of their memory for 15 minutes: ECS ends a task that goes over its limit."
      severity   = "ticket"
      comparison = "GreaterThanThreshold"
      threshold  = local.memory_percent
      periods    = 3
      missing    = "notBreaching"
      expression = "m0"
      metrics    = [{ namespace = "AWS/ECS", name = "MemoryUtilization", stat = "Average", dimensions = local.ecs_dimensions }]
    }
  } : name => each if var.ecs != null }

  of_insights = { for name, each in {
    HeadgateTasksMissing = {
      text       = "Fewer tasks run than the service wants, for 15 minutes. The service's events say why."
      severity   = "ticket"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      periods    = 3
      missing    = "notBreaching"
      expression = "m0 - m1"
      metrics = [
        { namespace = "ECS/ContainerInsights", name = "DesiredTaskCount", stat = "Minimum", dimensions = local.ecs_dimensions },
        { namespace = "ECS/ContainerInsights", name = "RunningTaskCount", stat = "Maximum", dimensions = local.ecs_dimensions },
      ]
    }
  } : name => each if try(var.ecs.container_insights, false) }

  # With blue/green one of the two groups is empty between deployments: only their sum says something.
  of_load_balancer = { for name, each in {
    HeadgateNoHealthyTarget = {
      text       = "The load balancer has no healthy task of the gate: users get 503."
      severity   = "page"
      comparison = "LessThanThreshold"
      threshold  = 1
      periods    = 3
      period     = 60
      missing    = "breaching"
      expression = join(" + ", [for index, _ in local.target_names : "FILL(m${index}, 0)"])
      metrics    = [for name in local.target_names : { namespace = "AWS/ApplicationELB", name = "HealthyHostCount", stat = "Maximum", dimensions = local.target_dimensions[name] }]
    }
    HeadgateUnhealthyTargets = {
      text       = "A task of the gate has failed the load balancer's health check for 15 minutes, and ECS has not replaced it."
      severity   = "ticket"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      periods    = 3
      missing    = "notBreaching"
      expression = join(" + ", [for index, _ in local.target_names : "FILL(m${index}, 0)"])
      metrics    = [for name in local.target_names : { namespace = "AWS/ApplicationELB", name = "UnHealthyHostCount", stat = "Minimum", dimensions = local.target_dimensions[name] }]
    }
    HeadgateLoadBalancerErrors = {
      text       = "The load balancer itself answers 502, 503 or 504: no healthy task, a connection that the gate closed, or a response that took too long. The gate's log has no line for these requests."
      severity   = "page"
      comparison = "GreaterThanOrEqualToThreshold"
      threshold  = try(var.load_balancer.errors_5xx, 0)
      periods    = 3
      datapoints = 2
      missing    = "notBreaching"
      expression = "m0"
      metrics    = [{ namespace = "AWS/ApplicationELB", name = "HTTPCode_ELB_5XX_Count", stat = "Sum", dimensions = { LoadBalancer = local.balancer } }]
    }
  } : name => each if var.load_balancer != null }
}

resource "aws_cloudwatch_metric_alarm" "infrastructure" {
  for_each = local.infrastructure

  alarm_name          = each.key
  alarm_description   = "${each.value.text} Runbook: ${var.documentation_url}/deploy/terraform/modules/observability/README.md#alarms-on-what-is-around-the-gate"
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = try(each.value.datapoints, each.value.periods)
  treat_missing_data  = each.value.missing

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id          = "m${metric_query.key}"
      return_data = each.value.expression == "m${metric_query.key}"

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = try(each.value.period, 300)
        stat        = metric_query.value.stat
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.expression == "m0" ? [] : [each.value.expression]

    content {
      id          = "result"
      expression  = metric_query.value
      label       = split("-", each.key)[0]
      return_data = true
    }
  }

  alarm_actions = local.actions[each.value.severity]
  ok_actions    = local.actions[each.value.severity]
  tags          = merge(var.tags, { service = var.service, severity = each.value.severity })
}

# A deployment that ECS gave up reaches nobody by a metric.
resource "aws_cloudwatch_event_rule" "deployment_failed" {
  count = var.ecs == null ? 0 : 1

  name        = "headgate-${var.service}-deployment-failed"
  description = "A deployment of the gate's ECS service has failed"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    resources   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:service/${var.ecs.cluster_name}/${var.ecs.service_name}"]
    detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "deployment_failed" {
  count = var.ecs == null ? 0 : 1

  rule = aws_cloudwatch_event_rule.deployment_failed[0].name
  arn  = local.page_topic

  input_transformer {
    input_paths    = { reason = "$.detail.reason", deployment = "$.detail.deploymentId", time = "$.time" }
    input_template = "\"A deployment of Headgate's service ${var.ecs.service_name} failed at <time>: <reason> (deployment <deployment>). What runs now: headgate ecs status --cluster ${var.ecs.cluster_name} --service ${var.ecs.service_name}\""
  }
}
