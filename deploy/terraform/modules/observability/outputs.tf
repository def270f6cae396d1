output "alarm_names" {
  description = "Names of all alarms of this module but the composite one."
  value       = sort(concat([for each in aws_cloudwatch_metric_alarm.gate : each.alarm_name], [for each in aws_cloudwatch_metric_alarm.infrastructure : each.alarm_name]))
}

output "paging_alarm_names" {
  description = "Names of the alarms that page."
  value       = local.paging
}

output "deployment_alarm_names" {
  description = "Alarms that stop a deployment of the gate, for its `deployment_alarms`: they need few minutes and are quiet without traffic. They depend on nothing that the gate's service makes, so both modules can be in one configuration."
  value       = sort([for name, each in aws_cloudwatch_metric_alarm.gate : each.alarm_name if contains(["HeadgateGateErrorsFast", "HeadgateNoEndpoint"], split("-", name)[0])])
}

output "composite_alarm_name" {
  description = "Name of the composite alarm that pages; null with `page_once = false`."
  value       = one(aws_cloudwatch_composite_alarm.page[*].alarm_name)
}

output "page_topic_arn" {
  description = "The SNS topic for what somebody has to look at now. Subscribe to it: without a subscription nobody is paged."
  value       = local.page_topic
}

output "ticket_topic_arn" {
  description = "The SNS topic for what can wait for a working day."
  value       = local.ticket_topic
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "query_names" {
  description = "Names of the saved queries of CloudWatch Logs Insights."
  value       = sort(keys(aws_cloudwatch_query_definition.this))
}
