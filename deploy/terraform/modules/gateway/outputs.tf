locals {
  region = data.aws_region.current.id
  ecs    = "--cluster ${local.cluster_name} --service ${var.name} --region ${local.region}"
}

output "tracking_uri" {
  description = "What MLflow's clients have as `MLFLOW_TRACKING_URI`."
  value       = "https://${var.public_name}"
}

output "service_name" {
  description = "Name of the ECS service."
  value       = var.name

  depends_on = [aws_ecs_service.this]
}

output "service_arn" {
  description = "ARN of the ECS service; null with `create_service = false`."
  value       = one(aws_ecs_service.this[*].id)
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = local.cluster_name
}

output "task_definition_arn" {
  description = "ARN of the template: the task definition that `headgate ecs` copies."
  value       = aws_ecs_task_definition.this.arn
}

output "template_parameter_name" {
  description = "Name of the SSM parameter with the ARN of the template."
  value       = aws_ssm_parameter.template.name
}

output "container_name" {
  description = "Name of the gate's container."
  value       = local.container
}

output "container_port" {
  description = "Port of the gate's container."
  value       = var.port
}

output "security_group_id" {
  description = "Security group of the gate's tasks, which MLflow and the database let in."
  value       = aws_security_group.task.id
}

output "load_balancer_security_group_id" {
  description = "Security group of the load balancer."
  value       = local.load_balancer_security_group_id
}

output "load_balancer_arn" {
  description = "ARN of the new load balancer; null with an existing one."
  value       = one(aws_lb.this[*].arn)
}

output "load_balancer_arn_suffix" {
  description = "What CloudWatch's metrics have as the dimension `LoadBalancer`; null with an existing one."
  value       = one(aws_lb.this[*].arn_suffix)
}

output "load_balancer_dns_name" {
  description = "Name of the new load balancer, for the record of `public_name`; null with an existing one."
  value       = one(aws_lb.this[*].dns_name)
}

output "load_balancer_zone_id" {
  description = "Hosted zone of that name, for an alias record; null with an existing load balancer."
  value       = one(aws_lb.this[*].zone_id)
}

output "listener_arn" {
  description = "ARN of the HTTPS listener."
  value       = var.create_load_balancer ? aws_lb_listener.this[0].arn : var.listener_arn
}

output "listener_rule_arn" {
  description = "ARN of the rule at an existing listener; null with a new load balancer."
  value       = one(aws_lb_listener_rule.this[*].arn)
}

output "target_group_arn" {
  description = "ARN of the target group."
  value       = aws_lb_target_group.this.arn
}

output "target_group_arn_suffix" {
  description = "What CloudWatch's metrics have as the dimension `TargetGroup`."
  value       = aws_lb_target_group.this.arn_suffix
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "execution_role_arn" {
  description = "ARN of the execution role."
  value       = module.roles.execution_role_arn
}

output "task_role_arn" {
  description = "ARN of the task role."
  value       = module.roles.task_role_arn
}

output "task_role_name" {
  description = "Name of the task role, for policies of your own."
  value       = module.roles.task_role_name
}

output "database_upgrade_command" {
  description = "Makes the tables of the key store in a task of its own; needed once before the service is created."
  value = join(" ", [
    "aws ecs run-task --region ${local.region} --cluster ${local.cluster_name} --launch-type FARGATE",
    "--task-definition ${aws_ecs_task_definition.this.family}:${aws_ecs_task_definition.this.revision}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", var.subnet_ids)}],securityGroups=[${aws_security_group.task.id}],assignPublicIp=${var.assign_public_ip ? "ENABLED" : "DISABLED"}}'",
    "--overrides '${jsonencode({ containerOverrides = [{ name = local.container, command = ["db", "upgrade"] }] })}'",
    "--query 'tasks[0].taskArn' --output text",
  ])
}

output "commands" {
  description = "The command lines of `headgate ecs` for this service."
  value = {
    status   = "headgate ecs status ${local.ecs}"
    plan     = "headgate ecs plan --image IMAGE ${local.ecs}"
    deploy   = "headgate ecs deploy --image IMAGE --verify-url https://${var.public_name} ${local.ecs}"
    rollback = "headgate ecs rollback ${local.ecs}"
    drill    = "headgate ecs drill ${local.ecs}"
  }
}
