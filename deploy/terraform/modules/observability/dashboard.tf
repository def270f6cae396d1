locals {
  generated = jsondecode(templatefile("${local.files}/cloudwatch-dashboard.json", merge(local.values, { region = local.region, log_group = var.log_group_name })))
  bottom    = max([for each in local.generated.widgets : each.y + each.height]...)

  # The row below the gate's own widgets: what is around it.
  around = [for each in [
    {
      shown   = var.ecs != null
      title   = "CPU and memory of the tasks, %"
      metrics = [for name in ["CPUUtilization", "MemoryUtilization"] : ["AWS/ECS", name, "ClusterName", try(var.ecs.cluster_name, ""), "ServiceName", try(var.ecs.service_name, ""), { stat = "Average" }]]
    },
    {
      shown   = var.load_balancer != null
      title   = "Healthy tasks behind the load balancer"
      metrics = [for name in local.target_names : ["AWS/ApplicationELB", "HealthyHostCount", "TargetGroup", local.target_groups[name], "LoadBalancer", local.balancer, { stat = "Minimum", label = name }]]
    },
    {
      shown   = var.load_balancer != null
      title   = "Errors that the load balancer makes, in a minute"
      metrics = [["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", local.balancer, { stat = "Sum" }]]
    },
  ] : each if each.shown]

  added = [for index, each in local.around : {
    type   = "metric"
    x      = 8 * index
    y      = local.bottom
    width  = 8
    height = 6
    properties = {
      title   = each.title
      view    = "timeSeries"
      stacked = false
      region  = local.region
      period  = 60
      metrics = each.metrics
      yAxis   = { left = { min = 0 } }
    }
  }]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "headgate-${replace(var.service, ".", "-")}"
  dashboard_body = jsonencode(merge(local.generated, { widgets = concat(local.generated.widgets, local.added) }))
}
