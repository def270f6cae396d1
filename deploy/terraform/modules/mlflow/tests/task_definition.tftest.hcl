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

run "task_definition" {
  command = apply

  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == [
      "mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "4",
      "--serve-artifacts", "--artifacts-destination", "s3://mlflow-artifacts-1/artifacts",
    ]
    error_message = "MLflow serves artifacts from the bucket, and no URL of a database is on its command line."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].entryPoint[3] == "20" && strcontains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].entryPoint[2], "def main(")
    error_message = "The entry point serves on for the TTL and 10 seconds."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 110 && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.initProcessEnabled && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "110 seconds to stop, an init process, a read-only root file system."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "MLFLOW_SERVER_ALLOWED_HOSTS", value = "mlflow.ml.internal:5000" })
    error_message = "MLflow accepts the Host that the gate sends."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [{ name = "MLFLOW_BACKEND_STORE_URI", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mlflow-AbCdEf" }]
    error_message = "The URL of the database comes from the secret."
  }
}
