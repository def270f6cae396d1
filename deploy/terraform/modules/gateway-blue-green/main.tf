# The gate's ECS service with ECS's own blue/green deployments, for the task definition, the load
# balancer and the roles of the module `gateway` with `create_service = false`.
#
# Between the marks "provider 6" are the arguments that provider 5 does not have. The project's checks
# let Terraform validate and test the rest with provider 5.100, and compare the names of all arguments
# with the schema of provider 6.25; Terraform itself has not read the whole of this file.

data "aws_caller_identity" "current" {}

locals {
  cluster_name = split("/", var.cluster_arn)[1]
}

resource "aws_lb_target_group" "green" {
  # checkov:skip=CKV_AWS_378:TLS ends at the load balancer; between it and the tasks, security groups let only the two talk

  name_prefix = "gate-"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = var.container_port

  deregistration_delay          = var.deregistration_delay_seconds
  load_balancing_algorithm_type = "least_outstanding_requests"

  # As that of the first group, in the module `gateway`, which says why it is not /-/readyz.
  health_check {
    path                = "/health"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  tags = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

# Blue and green change places with each deployment: the weights belong to ECS.
resource "aws_lb_listener_rule" "production" {
  listener_arn = var.listener_arn
  priority     = var.listener_rule_priority

  action {
    type = "forward"

    forward {
      target_group {
        arn    = var.target_group_arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.green.arn
        weight = 0
      }
    }
  }

  condition {
    host_header {
      values = [var.public_name]
    }
  }

  tags = var.tags

  lifecycle {
    ignore_changes = [action]
  }
}

resource "aws_lb_listener" "test" {
  load_balancer_arn = var.load_balancer_arn
  protocol          = "HTTPS"
  port              = var.test_port
  ssl_policy        = var.ssl_policy
  certificate_arn   = var.certificate_arn

  # Requests for another name than the gate's find nothing here.
  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "This listener is for tests of new revisions."
      status_code  = "404"
    }
  }

  tags = var.tags
}

resource "aws_lb_listener_rule" "test" {
  listener_arn = aws_lb_listener.test.arn
  priority     = 1

  action {
    type = "forward"

    forward {
      target_group {
        arn    = var.target_group_arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.green.arn
        weight = 0
      }
    }
  }

  condition {
    host_header {
      values = [var.public_name]
    }
  }

  tags = var.tags

  lifecycle {
    ignore_changes = [action]
  }
}

resource "aws_vpc_security_group_ingress_rule" "test" {
  for_each = var.test_cidrs

  security_group_id = var.load_balancer_security_group_id
  description       = "Test listener of ${var.name}, for operators and pipelines"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = var.test_port
  to_port           = var.test_port
  tags              = var.tags
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = var.task_definition_arn
  desired_count   = var.desired_count
  launch_type     = "FARGATE"
  propagate_tags  = "TASK_DEFINITION"

  enable_ecs_managed_tags           = true
  enable_execute_command            = var.enable_execute_command
  health_check_grace_period_seconds = var.health_check_grace_period_seconds

  # provider 6 begins: the pause before production traffic (hook target PAUSE) is newer than this
  # schema, where a hook has to be a Lambda function. `headgate ecs deploy` sets it with each
  # deployment, so a plan must not take it away: lifecycle below.
  deployment_configuration {
    strategy             = var.strategy
    bake_time_in_minutes = var.bake_minutes

    dynamic "canary_configuration" {
      for_each = var.strategy == "CANARY" ? [1] : []

      content {
        canary_percent              = var.canary_percent
        canary_bake_time_in_minutes = var.canary_bake_minutes
      }
    }
  }
  # provider 6 ends

  dynamic "alarms" {
    for_each = length(var.deployment_alarm_names) > 0 ? [1] : []

    content {
      enable      = true
      rollback    = true
      alarm_names = var.deployment_alarm_names
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.task_security_group_id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = var.target_group_arn
    container_name   = var.container_name
    container_port   = var.container_port

    # provider 6 begins
    advanced_configuration {
      alternate_target_group_arn = aws_lb_target_group.green.arn
      production_listener_rule   = aws_lb_listener_rule.production.arn
      test_listener_rule         = aws_lb_listener_rule.test.arn
      role_arn                   = aws_iam_role.this.arn
    }
    # provider 6 ends
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
      # provider 6 begins
      deployment_configuration[0].lifecycle_hook,
      # provider 6 ends
    ]
  }

  # A service whose target groups have no listener cannot be created, and one whose role may not change
  # the rules cannot be deployed or deleted.
  depends_on = [aws_lb_listener_rule.production, aws_lb_listener_rule.test, aws_iam_role_policy.this]
}
