data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  container = "mlflow"
  port      = var.registry.port
  bucket    = var.create_bucket ? aws_s3_bucket.this[0].bucket : var.bucket_name

  bucket_arn   = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
  artifact_uri = var.artifact_prefix == "" ? "s3://${local.bucket}" : "s3://${local.bucket}/${var.artifact_prefix}"
  object_arn   = var.artifact_prefix == "" ? "${local.bucket_arn}/*" : "${local.bucket_arn}/${var.artifact_prefix}/*"

  serve_seconds = coalesce(var.serve_seconds_after_sigterm, var.registry.ttl + 10)

  environment = merge(
    {
      AWS_DEFAULT_REGION = data.aws_region.current.id
      # All that is written goes below /tmp: the root file system is read-only.
      HOME   = "/tmp"
      TMPDIR = "/tmp"

      DO_NOT_TRACK                       = "true"
      MLFLOW_DISABLE_TELEMETRY           = "true"
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION = tostring(var.enable_jobs)
      PYTHONUNBUFFERED                   = "1"
      PYTHONDONTWRITEBYTECODE            = "1"
    },
    length(var.allowed_hosts) == 0 ? {} : { MLFLOW_SERVER_ALLOWED_HOSTS = join(",", var.allowed_hosts) },
    var.environment,
  )
  # The URL of the database comes from the environment, so that it is on no command line.
  secrets = merge(
    { MLFLOW_BACKEND_STORE_URI = var.database_url_secret_arn },
    var.environment_secrets,
  )

  container_definition = {
    name       = local.container
    image      = var.image
    essential  = true
    user       = var.user
    entryPoint = ["python3", "-c", file("${path.module}/files/serve_until_unused.py"), tostring(local.serve_seconds)]
    command = [
      "mlflow", "server",
      "--host", "0.0.0.0",
      "--port", tostring(local.port),
      "--workers", tostring(var.workers),
      "--serve-artifacts",
      "--artifacts-destination", local.artifact_uri,
    ]
    portMappings = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    environment  = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    secrets      = [for name in sort(keys(local.secrets)) : { name = name, valueFrom = local.secrets[name] }]

    # ECS tells Cloud Map what this finds. It asks for nothing of the database: a database that is
    # away for a minute is no reason to replace all tasks.
    healthCheck = {
      command = [
        "CMD", "python3", "-c",
        "import urllib.request as r; r.urlopen('http://127.0.0.1:${local.port}/health', timeout=4)",
      ]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 120 # the first start creates the tables
    }
    stopTimeout            = var.stop_timeout
    readonlyRootFilesystem = var.readonly_root_filesystem
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.id
        awslogs-stream-prefix = "mlflow"
        mode                  = "non-blocking"
        max-buffer-size       = "25m"
      }
    }
  }

  task_policy = {
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "ListArtifacts"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = [local.bucket_arn]
          Condition = { StringLike = { "s3:prefix" = var.artifact_prefix == "" ? ["*"] : [var.artifact_prefix, "${var.artifact_prefix}/*"] } }
        },
        {
          Sid      = "LocateBucket"
          Effect   = "Allow"
          Action   = ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
          Resource = [local.bucket_arn]
        },
        {
          Sid      = "UseArtifacts"
          Effect   = "Allow"
          Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
          Resource = [local.object_arn]
        },
      ],
      [for key in [var.bucket_kms_key_arn] : {
        Sid       = "EncryptArtifacts"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [key]
        Condition = { StringEquals = { "kms:ViaService" = ["s3.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"] } }
      } if key != null],
    )
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}" # known when Terraform plans, so that a plan shows the task definition
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

module "roles" {
  source = "../task-roles"

  name                     = var.name
  images                   = [var.image]
  secrets                  = values(local.secrets)
  kms_key_arns             = var.secrets_kms_key_arns
  log_group_arn            = aws_cloudwatch_log_group.this.arn
  attach_task_policy       = true
  task_policy_json         = jsonencode(local.task_policy)
  enable_execute_command   = var.enable_execute_command
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = module.roles.execution_role_arn
  task_role_arn            = module.roles.task_role_arn
  # An earlier revision stays, for a way back.
  skip_destroy = true

  # Without the attributes that are null: ECS does not return them, and a plan would show a change.
  container_definitions = jsonencode([{ for key, value in local.container_definition : key => value if value != null }])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  ephemeral_storage {
    size_in_gib = var.ephemeral_storage
  }

  volume {
    name = "tmp"
  }

  tags = var.tags
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  enable_ecs_managed_tags = true
  enable_execute_command  = var.enable_execute_command

  # New tasks are healthy before old ones are deregistered: with fewer than 100 % there would be a time
  # without an endpoint, which resolvers may remember for 300 seconds.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = var.assign_public_ip
  }

  service_registries {
    registry_arn = var.registry.arn
    # With A records only, ECS accepts no port.
    port = var.registry.srv ? local.port : null
  }

  tags = var.tags
}
