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

run "a_records_in_bridge_mode" {
  command = plan

  variables {
    mlflow = { network_mode = "bridge" }
  }

  expect_failures = [var.mlflow]
}

run "a_records_of_the_gate_in_host_mode" {
  command = plan

  variables {
    gateway = { network_mode = "host" }
  }

  expect_failures = [var.gateway]
}

run "no_records" {
  command = plan

  variables {
    mlflow = { record_types = [] }
  }

  expect_failures = [var.mlflow]
}

run "long_ttl" {
  command = plan

  variables {
    mlflow = { ttl = 300 }
  }

  expect_failures = [var.mlflow]
}

run "short_ttl" {
  command = plan

  variables {
    mlflow = { ttl = 1 }
  }

  expect_failures = [var.mlflow]
}

run "dns_without_a_records" {
  command = plan

  variables {
    mlflow    = { record_types = ["SRV"] }
    discovery = "dns"
  }

  expect_failures = [var.discovery]
}

run "srv_without_srv_records" {
  command = plan

  variables {
    discovery = "srv"
  }

  expect_failures = [var.discovery]
}

run "same_name_twice" {
  command = plan

  variables {
    gateway = { name = "mlflow" }
  }

  expect_failures = [var.gateway]
}

run "id_of_a_new_namespace" {
  command = plan

  variables {
    namespace_id = "ns-existing"
  }

  expect_failures = [var.namespace_id]
}

run "existing_namespace_without_id" {
  command = plan

  variables {
    create_namespace = false
  }

  expect_failures = [var.namespace_id]
}

run "new_namespace_without_vpc" {
  command = plan

  variables {
    vpc_id = null
  }

  expect_failures = [var.vpc_id]
}

run "multicast_name" {
  command = plan

  variables {
    namespace_name = "mlflow.local"
  }

  expect_failures = [var.namespace_name]
}

run "one_label" {
  command = plan

  variables {
    namespace_name = "ml"
  }

  expect_failures = [var.namespace_name]
}
