data "aws_region" "current" {}

locals {
  container    = "headgate" # the name that `headgate ecs` looks for
  cluster_name = split("/", var.cluster_arn)[1]
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
  attach_task_policy       = local.needs_task_policy
  task_policy_json         = jsonencode(local.discovery_policy)
  enable_execute_command   = var.enable_execute_command
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

# The template: `headgate ecs deploy` copies it, changes the image and pins the secrets, and moves the
# service to the copy. Revisions stay, for a way back.
resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = module.roles.execution_role_arn
  task_role_arn            = module.roles.task_role_arn
  skip_destroy             = true

  container_definitions = jsonencode([local.container_definition])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  tags = var.tags
}

resource "aws_ssm_parameter" "template" {
  # checkov:skip=CKV2_AWS_34:the ARN of a task definition is no secret, and a plan shows how it changes

  name        = "/headgate/${local.cluster_name}/${var.name}/template"
  description = "The task definition that headgate ecs copies for the service ${var.name}"
  type        = "String"
  # An ARN is no secret: a plan shows how it changes.
  insecure_value = aws_ecs_task_definition.this.arn
  tags           = var.tags
}

resource "aws_ecs_service" "this" {
  count = var.create_service ? 1 : 0

  name            = var.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count
  launch_type     = length(var.capacity_providers) == 0 ? "FARGATE" : null
  propagate_tags  = "TASK_DEFINITION"

  enable_ecs_managed_tags           = true
  enable_execute_command            = var.enable_execute_command
  health_check_grace_period_seconds = var.health_check_grace_period

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.deployment_alarm_names) > 0 ? [1] : []

    content {
      enable      = true
      rollback    = true
      alarm_names = var.deployment_alarm_names
    }
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_providers

    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.container
    container_port   = var.port
  }

  dynamic "service_registries" {
    for_each = var.registry == null ? [] : [var.registry]

    content {
      registry_arn = service_registries.value.arn
      port         = service_registries.value.srv ? var.port : null
    }
  }

  tags = var.tags

  lifecycle {
    # `headgate ecs` moves the service to another revision, autoscaling changes the number of tasks, and
    # the two tags tell operators of deployments: an apply leaves all of this alone.
    ignore_changes = [
      task_definition,
      desired_count,
      tags["headgate:good"],
      tags["headgate:deploying"],
      tags_all["headgate:good"],
      tags_all["headgate:deploying"],
    ]
  }

  # A service whose target group has no listener cannot be created.
  depends_on = [aws_lb_listener.this, aws_lb_listener_rule.this]
}
