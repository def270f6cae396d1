locals {
  namespace_id = var.create_namespace ? aws_service_discovery_private_dns_namespace.this[0].id : var.namespace_id

  services = merge(
    { mlflow = var.mlflow },
    var.gateway == null ? {} : { gateway = var.gateway },
  )

  mlflow_name = "${var.mlflow.name}.${var.namespace_name}"
  upstream_urls = merge(
    contains(var.mlflow.record_types, "A") ? { dns = "http://${local.mlflow_name}:${var.mlflow.port}" } : {},
    contains(var.mlflow.record_types, "SRV") ? { srv = "srv+http://${local.mlflow_name}" } : {},
    # The port is for instances without one: ECS registers AWS_INSTANCE_PORT only with SRV records.
    { cloudmap = "cloudmap://${var.namespace_name}/${var.mlflow.name}?port=${var.mlflow.port}" },
  )
  discovery = coalesce(var.discovery, contains(var.mlflow.record_types, "A") ? "dns" : "srv")
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  count = var.create_namespace ? 1 : 0

  name        = var.namespace_name
  description = "Names of MLflow and of the gate in front of it"
  vpc         = var.vpc_id
  tags        = var.tags
}

resource "aws_service_discovery_service" "this" {
  for_each = local.services

  name          = each.value.name
  description   = each.key == "mlflow" ? "MLflow's tasks" : "The gate's tasks"
  force_destroy = var.force_destroy

  dns_config {
    namespace_id   = local.namespace_id
    routing_policy = "MULTIVALUE"

    dynamic "dns_records" {
      for_each = sort(each.value.record_types)

      content {
        type = dns_records.value
        ttl  = each.value.ttl
      }
    }
  }

  # ECS reports the health of its tasks here. An empty block would be left out by the provider, and
  # without it Cloud Map serves unhealthy tasks; the number has no effect, it is always 1.
  health_check_custom_config {
    failure_threshold = 1
  }

  tags = var.tags
}
