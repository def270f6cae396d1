output "tracking_uri" {
  description = "`MLFLOW_TRACKING_URI` of clients."
  value       = module.gateway.tracking_uri
}

output "security_group_id" {
  description = "Security group of the gate's tasks, which the database must let in."
  value       = module.gateway.security_group_id
}

output "load_balancer_dns_name" {
  description = "What the record of `public_name` points to."
  value       = module.gateway.load_balancer_dns_name
}

output "database_upgrade_command" {
  description = "Makes the tables of the gate's key store."
  value       = module.gateway.database_upgrade_command
}

output "commands" {
  description = "Command lines of `headgate ecs`."
  value       = module.gateway.commands
}
