mock_provider "aws" {
  mock_resource "aws_service_discovery_private_dns_namespace" {
    defaults = { id = "ns-1234567890abcdef", arn = "arn:aws:servicediscovery:eu-central-1:123456789012:namespace/ns-1234567890abcdef" }
  }
  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1234567890abcdef" }
  }
}

variables {
  namespace_name = "ml.internal"
  vpc_id         = "vpc-0123456789abcdef0"
}

run "alone" {
  command = apply

  assert {
    condition     = output.mlflow_internal_dns == "mlflow.ml.internal" && output.upstream_url == "http://mlflow.ml.internal:5000" && output.mlflow_host == "mlflow.ml.internal:5000"
    error_message = "The gate finds MLflow by its A records."
  }

  assert {
    condition     = aws_service_discovery_service.this["mlflow"].dns_config[0].dns_records[0].type == "A" && aws_service_discovery_service.this["mlflow"].dns_config[0].dns_records[0].ttl == 10 && aws_service_discovery_service.this["mlflow"].dns_config[0].routing_policy == "MULTIVALUE"
    error_message = "A records with a TTL of 10 seconds, of all tasks."
  }

  assert {
    condition     = length(aws_service_discovery_service.this["mlflow"].health_check_custom_config) == 1 && aws_service_discovery_service.this["mlflow"].health_check_custom_config[0].failure_threshold == 1
    error_message = "ECS tells of the tasks' health; an empty block would not be sent."
  }

  assert {
    condition     = keys(aws_service_discovery_service.this) == ["mlflow"] && output.gateway_registry == null
    error_message = "The gate is registered only where that is asked for."
  }

  assert {
    condition     = output.mlflow_registry == { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1234567890abcdef", srv = false, port = 5000, ttl = 10 }
    error_message = "The module mlflow gets what it needs."
  }
}

run "srv_records_of_both" {
  command = apply

  variables {
    mlflow  = { network_mode = "bridge", record_types = ["SRV"], ttl = 5 }
    gateway = { record_types = ["A", "SRV"] }
  }

  assert {
    condition     = output.upstream_url == "srv+http://mlflow.ml.internal" && !contains(keys(output.upstream_urls), "dns")
    error_message = "With the network mode bridge there are SRV records alone."
  }

  assert {
    condition     = [for each in aws_service_discovery_service.this["gateway"].dns_config[0].dns_records : each.type] == ["A", "SRV"] && output.gateway_internal_dns == "headgate.ml.internal" && output.gateway_registry.srv
    error_message = "The gate has both."
  }
}

run "cloud_map_in_an_existing_namespace" {
  command = apply

  variables {
    create_namespace = false
    namespace_id     = "ns-existing"
    vpc_id           = null
    discovery        = "cloudmap"
  }

  assert {
    condition     = length(aws_service_discovery_private_dns_namespace.this) == 0 && aws_service_discovery_service.this["mlflow"].dns_config[0].namespace_id == "ns-existing"
    error_message = "The existing namespace is used."
  }

  assert {
    condition     = output.upstream_url == "cloudmap://ml.internal/mlflow?port=5000"
    error_message = "The gate asks Cloud Map's API."
  }
}
