output "security_group_id" {
  description = "Security group of MLflow's tasks."
  value       = aws_security_group.this.id
}

output "port" {
  description = "Port of MLflow."
  value       = local.port
}

output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = aws_ecs_service.this.id
}

output "task_definition_arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_arn" {
  description = "ARN of the task role, for policies of an existing bucket."
  value       = module.roles.task_role_arn
}

output "execution_role_arn" {
  description = "ARN of the execution role."
  value       = module.roles.execution_role_arn
}

output "bucket_name" {
  description = "Name of the bucket with the artifacts."
  value       = local.bucket
}

output "artifact_uri" {
  description = "Where MLflow stores artifacts."
  value       = local.artifact_uri
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}
