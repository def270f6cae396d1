# Two roles, as ECS has them: the execution role is ECS's own (pull the image, read the secrets, write
# logs), the task role is what the program in the container may do.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  # `id` is the region's name in versions 5 and 6 of the provider; `name` and `region` are not in both.
  region  = data.aws_region.current.id
  account = data.aws_caller_identity.current.account_id

  repositories = distinct([
    for each in var.images :
    format("arn:%s:ecr:%s:%s:repository/%s", local.partition, regex(local.ecr, each)[1], regex(local.ecr, each)[0], regex(local.ecr, each)[2])
    if can(regex(local.ecr, each))
  ])
  ecr = "^([0-9]{12})\\.dkr\\.ecr(?:-fips)?\\.([a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/([a-z0-9._/-]+)(?:[:@].*)?$"

  # A reference to a secret may end with a JSON key and a version, which are no part of its ARN.
  secret_arns = distinct([
    for each in var.secrets : join(":", slice(split(":", each), 0, 7)) if strcontains(each, ":secretsmanager:")
  ])
  parameter_arns = distinct([for each in var.secrets : each if strcontains(each, ":ssm:")])
  key_services   = concat(length(local.secret_arns) > 0 ? ["secretsmanager"] : [], length(local.parameter_arns) > 0 ? ["ssm"] : [])
}

# Documents are written with jsonencode, so that tests can read what is granted while the provider is mocked.
locals {
  trust = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TasksOfThisAccount"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      # Against the confused deputy: only tasks of this account and region may use the roles.
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  }

  write_logs = {
    Sid      = "WriteLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = ["${var.log_group_arn}:log-stream:*"]
  }
  log_in_to_ecr = {
    Sid      = "LogInToEcr"
    Effect   = "Allow"
    Action   = ["ecr:GetAuthorizationToken"]
    Resource = ["*"] # the action knows no resources
  }
  pull_images = {
    Sid      = "PullImages"
    Effect   = "Allow"
    Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    Resource = local.repositories
  }
  read_secrets = {
    Sid      = "ReadSecrets"
    Effect   = "Allow"
    Action   = ["secretsmanager:GetSecretValue"]
    Resource = local.secret_arns
  }
  read_parameters = {
    Sid      = "ReadParameters"
    Effect   = "Allow"
    Action   = ["ssm:GetParameters"]
    Resource = local.parameter_arns
  }
  decrypt_secrets = {
    Sid      = "DecryptSecrets"
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = var.kms_key_arns
    Condition = {
      StringEquals = {
        "kms:ViaService" = [for each in local.key_services : "${each}.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
  execution_policy = {
    Version = "2012-10-17"
    Statement = concat(
      [local.write_logs],
      [for each in [local.log_in_to_ecr] : each if length(local.repositories) > 0],
      [for each in [local.pull_images] : each if length(local.repositories) > 0],
      [for each in [local.read_secrets] : each if length(local.secret_arns) > 0],
      [for each in [local.read_parameters] : each if length(local.parameter_arns) > 0],
      [for each in [local.decrypt_secrets] : each if length(var.kms_key_arns) > 0 && length(local.key_services) > 0],
    )
  }

  execute_command_policy = {
    Version = "2012-10-17"
    Statement = [{
      Sid    = "EcsExec"
      Effect = "Allow"
      Action = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = ["*"] # the actions know no resources
    }]
  }
}

resource "aws_iam_role" "execution" {
  name_prefix          = "${var.name}-execution-"
  description          = "ECS starts the tasks of ${var.name}: image, secrets, logs"
  assume_role_policy   = jsonencode(local.trust)
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = jsonencode(local.execution_policy)
}

resource "aws_iam_role" "task" {
  name_prefix          = "${var.name}-task-"
  description          = "What the program in the tasks of ${var.name} may do"
  assume_role_policy   = jsonencode(local.trust)
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  count = var.attach_task_policy ? 1 : 0

  name   = "task"
  role   = aws_iam_role.task.id
  policy = var.task_policy_json
}

resource "aws_iam_role_policy" "execute_command" {
  count = var.enable_execute_command ? 1 : 0

  name   = "execute-command"
  role   = aws_iam_role.task.id
  policy = jsonencode(local.execute_command_policy)
}
