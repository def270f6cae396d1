mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked", id = "mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/mocked", name = "/ecs/mocked" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mocked:7", revision = 7 }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { bucket = "mlflow-artifacts-1", arn = "arn:aws:s3:::mlflow-artifacts-1" }
  }
}

variables {
  cluster_arn               = "arn:aws:ecs:eu-central-1:123456789012:cluster/ml"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  image                     = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mlflow:3.17.2"
  client_security_group_ids = { gateway = "sg-0123456789abcdef0" }
  database_url_secret_arn   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mlflow-AbCdEf"
  registry                  = { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1", ttl = 10 }
  allowed_hosts             = ["mlflow.ml.internal:5000"]
}

run "database_url_itself" {
  command = plan

  variables {
    database_url_secret_arn = "postgresql://mlflow:canary@db/mlflow"
  }

  expect_failures = [var.database_url_secret_arn]
}

run "database_url_in_the_environment" {
  command = plan

  variables {
    environment = { MLFLOW_BACKEND_STORE_URI = "postgresql://mlflow:canary@db/mlflow" }
  }

  expect_failures = [var.environment]
}

run "static_prefix" {
  command = plan

  variables {
    environment = { MLFLOW_STATIC_PREFIX = "/mlflow" }
  }

  expect_failures = [var.environment]
}

run "nobody_may_connect" {
  command = plan

  variables {
    client_security_group_ids = {}
  }

  expect_failures = [var.client_security_group_ids]
}

run "any_host" {
  command = plan

  variables {
    allowed_hosts = ["*"]
  }

  expect_failures = [var.allowed_hosts]
}

run "two_hosts_in_one" {
  command = plan

  variables {
    allowed_hosts = ["a:5000,b:5000"]
  }

  expect_failures = [var.allowed_hosts]
}

run "latest_image" {
  command = plan

  variables {
    image = "example.com/mlflow:latest"
  }

  expect_failures = [var.image]
}

run "memory_that_fargate_has_not" {
  command = plan

  variables {
    memory = 1024
  }

  expect_failures = [var.memory]
}

run "too_many_workers" {
  command = plan

  variables {
    workers = 16
  }

  expect_failures = [var.workers]
}

run "stops_before_clients_know" {
  command = plan

  variables {
    serve_seconds_after_sigterm = 5
  }

  expect_failures = [var.serve_seconds_after_sigterm]
}

run "stop_timeout_too_short" {
  command = plan

  variables {
    stop_timeout = 25
  }

  expect_failures = [var.stop_timeout]
}

run "stop_timeout_too_long" {
  command = plan

  variables {
    stop_timeout = 130
  }

  expect_failures = [var.stop_timeout]
}

run "shell_on_a_read_only_root" {
  command = plan

  variables {
    enable_execute_command = true
  }

  expect_failures = [var.readonly_root_filesystem]
}

run "no_task" {
  command = plan

  variables {
    desired_count = 0
  }

  expect_failures = [var.desired_count]
}

run "one_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa"]
  }

  expect_failures = [var.subnet_ids]
}

run "existing_bucket_without_name" {
  command = plan

  variables {
    create_bucket = false
  }

  expect_failures = [var.bucket_name]
}

run "prefix_with_slash" {
  command = plan

  variables {
    artifact_prefix = "/artifacts/"
  }

  expect_failures = [var.artifact_prefix]
}

run "small_disk" {
  command = plan

  variables {
    ephemeral_storage = 20
  }

  expect_failures = [var.ephemeral_storage]
}

run "no_registry" {
  command = plan

  variables {
    registry = { arn = "srv-1" }
  }

  expect_failures = [var.registry]
}

run "rule_to_nowhere" {
  command = plan

  variables {
    egress_rules = { database = { port = 5432 } }
  }

  expect_failures = [var.egress_rules]
}
