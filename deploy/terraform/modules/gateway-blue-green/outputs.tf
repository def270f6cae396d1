output "service_name" {
  description = "Name of the ECS service, for `headgate ecs`."
  value       = aws_ecs_service.this.name
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = aws_ecs_service.this.id
}

output "test_url" {
  description = "The new revision before users reach it: `--verify-url` of `headgate ecs deploy`."
  value       = "https://${var.public_name}:${var.test_port}"
}

output "green_target_group_arn" {
  description = "ARN of the second target group."
  value       = aws_lb_target_group.green.arn
}

output "green_target_group_arn_suffix" {
  description = "What CloudWatch's metrics have as the dimension `TargetGroup`, for the module `observability`."
  value       = aws_lb_target_group.green.arn_suffix
}

output "role_arn" {
  description = "ARN of the role with which ECS moves requests."
  value       = aws_iam_role.this.arn
}
