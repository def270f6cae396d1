# Alarms, dashboard and queries come from the files that the project generates from the declaration of
# its metrics. They lie beside the modules, so a metric that is renamed is renamed here as well.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  files     = "${path.module}/../../../observability"
  partition = data.aws_partition.current.partition
  # `id` is the region's name in versions 5 and 6 of the provider; `name` and `region` are not in both.
  region  = data.aws_region.current.id
  account = data.aws_caller_identity.current.account_id

  page_topic   = var.create_topics ? aws_sns_topic.page[0].arn : var.page_topic_arn
  ticket_topic = var.create_topics ? aws_sns_topic.ticket[0].arn : var.ticket_topic_arn

  # Only what is known before anything is created, since the names of alarms and queries are keys of
  # `for_each`. Topics and the log group are put in below.
  values = {
    service      = var.service
    namespace    = var.namespace
    page_topic   = "page"
    ticket_topic = "ticket"
    docs         = var.documentation_url
    log_group    = "log group"
    region       = "region"
    upstream     = ""
  }

  of_service  = jsondecode(templatefile("${local.files}/cloudwatch-alarms.json", local.values)).service
  of_upstream = flatten([for each in sort(var.upstreams) : jsondecode(templatefile("${local.files}/cloudwatch-alarms.json", merge(local.values, { upstream = each }))).upstream])

  alarms = {
    for each in concat(local.of_service, local.of_upstream) : each.AlarmName => each
    if !contains(var.excluded_alarms, split("-", each.AlarmName)[0])
  }
}

resource "aws_cloudwatch_metric_alarm" "gate" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.AlarmDescription
  comparison_operator = each.value.ComparisonOperator
  threshold           = each.value.Threshold
  evaluation_periods  = each.value.EvaluationPeriods
  datapoints_to_alarm = each.value.DatapointsToAlarm
  treat_missing_data  = each.value.TreatMissingData

  namespace   = try(each.value.Namespace, null)
  metric_name = try(each.value.MetricName, null)
  dimensions  = try({ for pair in each.value.Dimensions : pair.Name => pair.Value }, null)
  period      = try(each.value.Period, null)
  statistic   = try(each.value.Statistic, null)

  dynamic "metric_query" {
    for_each = try(each.value.Metrics, [])

    content {
      id          = metric_query.value.Id
      expression  = try(metric_query.value.Expression, null)
      label       = try(metric_query.value.Label, null)
      return_data = metric_query.value.ReturnData

      dynamic "metric" {
        for_each = try([metric_query.value.MetricStat], [])

        content {
          namespace   = metric.value.Metric.Namespace
          metric_name = metric.value.Metric.MetricName
          dimensions  = { for pair in metric.value.Metric.Dimensions : pair.Name => pair.Value }
          period      = metric.value.Period
          stat        = metric.value.Stat
        }
      }
    }
  }

  alarm_actions = local.actions[contains(each.value.AlarmActions, "page") ? "page" : "ticket"]
  ok_actions    = local.actions[contains(each.value.OKActions, "page") ? "page" : "ticket"]
  tags          = merge(var.tags, { for pair in each.value.Tags : pair.Key => pair.Value })
}

locals {
  # What an alarm does, by its severity.
  actions = {
    page   = var.page_once ? [] : [local.page_topic]
    ticket = [local.ticket_topic]
  }
  paging = concat(
    sort([for name, each in local.alarms : name if contains(each.AlarmActions, "page")]),
    sort([for name, each in local.infrastructure : name if each.severity == "page"]),
  )
}

resource "aws_cloudwatch_composite_alarm" "page" {
  count = var.page_once ? 1 : 0

  alarm_name        = "HeadgatePage-${var.service}"
  alarm_description = "An alarm that pages is in ALARM; the dashboard headgate-${var.service} shows which. Runbook: ${var.documentation_url}/docs/how-to/respond-to-alerts.md"
  alarm_rule        = join(" OR ", [for name in local.paging : "ALARM(\"${name}\")"])
  alarm_actions     = [local.page_topic]
  ok_actions        = [local.page_topic]
  tags              = merge(var.tags, { service = var.service, severity = "page" })

  depends_on = [aws_cloudwatch_metric_alarm.gate, aws_cloudwatch_metric_alarm.infrastructure]
}

# The log's own heartbeat: whether lines arrive at all. HeadgateDown looks at the metric that CloudWatch
# makes of these lines; where only that one fires, the lines arrive and the metrics were refused.
resource "aws_cloudwatch_log_metric_filter" "heartbeat" {
  name           = "headgate-${var.service}-heartbeat"
  log_group_name = var.log_group_name
  pattern        = "{ ($.event = \"metrics\") && ($.Service = \"${var.service}\") }"

  metric_transformation {
    namespace  = var.namespace
    name       = "LogHeartbeat"
    value      = "1"
    unit       = "Count"
    dimensions = { Service = "$.Service" }
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = { for each in jsondecode(templatefile("${local.files}/cloudwatch-queries.json", local.values)) : each.name => each }

  name            = each.key
  query_string    = each.value.queryString
  log_group_names = [var.log_group_name]
}
