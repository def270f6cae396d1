locals {
  load_balancer_security_group_id = var.create_load_balancer ? aws_security_group.load_balancer[0].id : var.load_balancer_security_group_id
}

# --- the tasks ---------------------------------------------------------------------------------------

resource "aws_security_group" "task" {
  name_prefix = "${var.name}-task-"
  description = "The gate's tasks: reached by the load balancer"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-task" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "task_from_load_balancer" {
  security_group_id            = aws_security_group.task.id
  description                  = "Requests and health checks from the load balancer"
  referenced_security_group_id = local.load_balancer_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "task_from_client" {
  for_each = var.client_task_security_group_ids

  security_group_id            = aws_security_group.task.id
  description                  = "Requests from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "task_https" {
  for_each = toset(var.https_egress_cidr_blocks)

  security_group_id = aws_security_group.task.id
  description       = "HTTPS to AWS and to issuers of tokens"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "task" {
  for_each = var.egress_rules

  security_group_id            = aws_security_group.task.id
  description                  = coalesce(each.value.description, "To ${each.key}")
  referenced_security_group_id = each.value.security_group_id
  cidr_ipv4                    = each.value.cidr_ipv4
  prefix_list_id               = each.value.prefix_list_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = var.tags
}

# --- the load balancer -------------------------------------------------------------------------------

resource "aws_security_group" "load_balancer" {
  count = var.create_load_balancer ? 1 : 0

  name_prefix = "${var.name}-alb-"
  description = "The gate's load balancer: reached by clients"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-alb" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer_from_network" {
  for_each = var.create_load_balancer ? toset(var.client_cidr_blocks) : toset([])

  security_group_id = aws_security_group.load_balancer[0].id
  description       = "HTTPS from clients in ${each.value}"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer_from_client" {
  for_each = var.create_load_balancer ? var.client_security_group_ids : {}

  security_group_id            = aws_security_group.load_balancer[0].id
  description                  = "HTTPS from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_task" {
  security_group_id            = local.load_balancer_security_group_id
  description                  = "Requests and health checks to the gate ${var.name}"
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  tags                         = var.tags
}
