resource "aws_lb" "this" {
  count = var.create_load_balancer ? 1 : 0

  name               = var.name
  load_balancer_type = "application"
  internal           = var.load_balancer_internal
  subnets            = var.load_balancer_subnet_ids
  security_groups    = [aws_security_group.load_balancer[0].id]
  idle_timeout       = var.load_balancer_idle_timeout

  # The gate must see the Host and the header fields that the client sent, and the last address in
  # X-Forwarded-For must be the one that the load balancer saw.
  preserve_host_header       = true
  drop_invalid_header_fields = true
  xff_header_processing_mode = "append"
  desync_mitigation_mode     = "defensive"

  enable_deletion_protection = var.load_balancer_deletion_protection

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]

    content {
      bucket  = access_logs.value
      prefix  = var.name
      enabled = true
    }
  }

  tags = var.tags
}

resource "aws_lb_target_group" "this" {
  name_prefix = "gate-"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = var.port

  deregistration_delay = var.deregistration_delay
  # Requests for artifacts take minutes, others milliseconds: the number in progress says who is busy.
  load_balancing_algorithm_type = "least_outstanding_requests"

  # 200 while the process works, 503 while it drains. Not /-/readyz: ECS replaces tasks that fail this
  # check, and a gate must not be replaced because MLflow has no task that discovery could name.
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

resource "aws_lb_listener" "this" {
  count = var.create_load_balancer ? 1 : 0

  load_balancer_arn = aws_lb.this[0].arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = var.ssl_policy
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  tags = var.tags
}

resource "aws_lb_listener_rule" "this" {
  count = var.create_load_balancer ? 0 : 1

  listener_arn = var.listener_arn
  priority     = var.listener_rule_priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  condition {
    host_header {
      values = [var.public_name]
    }
  }

  tags = var.tags
}

resource "aws_route53_record" "this" {
  count = var.hosted_zone_id == null ? 0 : 1

  zone_id = var.hosted_zone_id
  name    = var.public_name
  type    = "A"

  alias {
    name                   = aws_lb.this[0].dns_name
    zone_id                = aws_lb.this[0].zone_id
    evaluate_target_health = true
  }
}
