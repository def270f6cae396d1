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

run "network_and_service" {
  command = apply

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.client) == ["gateway"] && aws_vpc_security_group_ingress_rule.client["gateway"].referenced_security_group_id == "sg-0123456789abcdef0" && aws_vpc_security_group_ingress_rule.client["gateway"].from_port == 5000
    error_message = "Only the gate reaches MLflow."
  }

  assert {
    condition     = aws_ecs_service.this.desired_count == 2 && aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "Two tasks, never fewer, and failed deployments are rolled back."
  }

  assert {
    condition     = aws_ecs_service.this.service_registries[0].registry_arn == "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1" && coalesce(aws_ecs_service.this.service_registries[0].port, 0) == 0
    error_message = "Registered without a port, since there are A records only."
  }
}

run "permissions" {
  command = apply

  assert {
    condition     = [for each in local.task_policy.Statement : each.Sid] == ["ListArtifacts", "LocateBucket", "UseArtifacts"]
    error_message = "The task role uses artifacts and nothing else."
  }

  assert {
    condition     = local.task_policy.Statement[2].Resource == ["arn:aws:s3:::mlflow-artifacts-1/artifacts/*"]
    error_message = "Objects below the prefix alone."
  }
}

run "bucket" {
  command = apply

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this[0].block_public_acls, aws_s3_bucket_public_access_block.this[0].block_public_policy,
      aws_s3_bucket_public_access_block.this[0].ignore_public_acls, aws_s3_bucket_public_access_block.this[0].restrict_public_buckets,
      aws_s3_bucket_versioning.this[0].versioning_configuration[0].status == "Enabled",
      one(one(aws_s3_bucket_server_side_encryption_configuration.this[0].rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256",
      aws_s3_bucket_lifecycle_configuration.this[0].rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7,
    ])
    error_message = "Private, versioned, encrypted, and rid of uploads that broke off."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.this[0].policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.this[0].policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "Nobody uses the bucket without TLS."
  }
}

run "existing_bucket_with_a_key_and_srv_records" {
  command = apply

  variables {
    create_bucket      = false
    bucket_name        = "our-artifacts"
    artifact_prefix    = ""
    bucket_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    registry           = { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-1", srv = true, port = 5001 }
    cpu_architecture   = "ARM64"
    user               = "1000:1000"
  }

  assert {
    condition     = length(aws_s3_bucket.this) == 0 && output.artifact_uri == "s3://our-artifacts"
    error_message = "The existing bucket is used."
  }

  assert {
    condition     = local.task_policy.Statement[3].Sid == "EncryptArtifacts" && local.task_policy.Statement[2].Resource == ["arn:aws:s3:::our-artifacts/*"]
    error_message = "The task role may use the key."
  }

  assert {
    condition     = aws_ecs_service.this.service_registries[0].port == 5001 && aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "1000:1000"
    error_message = "With SRV records the port is registered; the task has its architecture and user."
  }
}
