output "execution_role_arn" {
  description = "ARN of the execution role."
  value       = aws_iam_role.execution.arn

  # A task that starts before its policy is there cannot read its secrets.
  depends_on = [aws_iam_role_policy.execution]
}

output "execution_role_name" {
  description = "Name of the execution role."
  value       = aws_iam_role.execution.name
}

output "task_role_arn" {
  description = "ARN of the task role."
  value       = aws_iam_role.task.arn

  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.execute_command]
}

output "task_role_name" {
  description = "Name of the task role."
  value       = aws_iam_role.task.name
}

output "execution_policy_json" {
  description = "Policy of the execution role."
  value       = jsonencode(local.execution_policy)
}
