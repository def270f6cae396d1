output "namespace_id" {
  description = "Id of the namespace."
  value       = local.namespace_id
}

output "namespace_arn" {
  description = "ARN of the namespace; null for an existing one."
  value       = one(aws_service_discovery_private_dns_namespace.this[*].arn)
}

output "namespace_name" {
  description = "Name of the namespace."
  value       = var.namespace_name
}

output "hosted_zone_id" {
  description = "Id of the namespace's private hosted zone in Route 53; null for an existing namespace."
  value       = one(aws_service_discovery_private_dns_namespace.this[*].hosted_zone)
}

output "mlflow_internal_dns" {
  description = "The name of MLflow in the VPC, such as `mlflow.ml.internal`."
  value       = local.mlflow_name
}

output "mlflow_host" {
  description = "MLflow's name with its port: the `Host` that the gate sends and MLflow accepts (`upstream_host_header` of the module gateway, `allowed_hosts` of the module mlflow)."
  value       = "${local.mlflow_name}:${var.mlflow.port}"
}

output "mlflow_registry" {
  description = "What the module mlflow needs to register its tasks: ARN of the Cloud Map service, whether it has SRV records, port and TTL in seconds."
  value = {
    arn  = aws_service_discovery_service.this["mlflow"].arn
    srv  = contains(var.mlflow.record_types, "SRV")
    port = var.mlflow.port
    ttl  = var.mlflow.ttl
  }
}

output "mlflow_service_name" {
  description = "Name of MLflow's Cloud Map service."
  value       = var.mlflow.name
}

output "mlflow_service_id" {
  description = "Id of MLflow's Cloud Map service."
  value       = aws_service_discovery_service.this["mlflow"].id
}

output "upstream_url" {
  description = "The gate's `upstreams.default.url` in the form that `discovery` chooses."
  value       = local.upstream_urls[local.discovery]
}

output "upstream_urls" {
  description = "All forms in which the gate can find MLflow, by `dns`, `srv` and `cloudmap`."
  value       = local.upstream_urls
}

output "gateway_registry" {
  description = "The same as `mlflow_registry` for the gate; null without `gateway`."
  value = var.gateway == null ? null : {
    arn  = aws_service_discovery_service.this["gateway"].arn
    srv  = contains(var.gateway.record_types, "SRV")
    port = var.gateway.port
    ttl  = var.gateway.ttl
  }
}

output "gateway_internal_dns" {
  description = "The name of the gate in the VPC; null without `gateway`."
  value       = var.gateway == null ? null : "${var.gateway.name}.${var.namespace_name}"
}
