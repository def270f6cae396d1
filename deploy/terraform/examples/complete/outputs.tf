output "tracking_uri" {
  description = "`MLFLOW_TRACKING_URI` of clients."
  value       = module.gateway.tracking_uri
}

output "mlflow_internal_dns" {
  description = "Name of MLflow in the VPC."
  value       = module.service_discovery.mlflow_internal_dns
}

output "database_upgrade_command" {
  description = "Makes the tables of the gate's key store."
  value       = module.gateway.database_upgrade_command
}

output "commands" {
  description = "Command lines of `headgate ecs`."
  value       = module.gateway.commands
}
