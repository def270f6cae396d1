# The role with which ECS moves targets and the weights of the two rules: what AWS's managed policy
# AmazonECSInfrastructureRolePolicyForLoadBalancers allows, for these listeners and groups alone.

locals {
  trust = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EcsOfThisAccount"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  }
  permissions = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Read"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:DescribeListeners",
          "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeTargetGroups",
          "elasticloadbalancing:DescribeTargetHealth",
        ]
        Resource = "*" # these actions know no resources
      },
      {
        Sid      = "MoveTargets"
        Effect   = "Allow"
        Action   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
        Resource = [var.target_group_arn, aws_lb_target_group.green.arn]
      },
      {
        Sid      = "MoveRequests"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:ModifyRule"
        Resource = [aws_lb_listener_rule.production.arn, aws_lb_listener_rule.test.arn]
      },
      {
        Sid      = "ModifyListeners"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:ModifyListener"
        Resource = [var.listener_arn, aws_lb_listener.test.arn]
      },
    ]
  }
}

resource "aws_iam_role" "this" {
  name_prefix          = "${var.name}-blue-green-"
  description          = "ECS moves requests between the revisions of ${var.name}"
  assume_role_policy   = jsonencode(local.trust)
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "listener-rules"
  role   = aws_iam_role.this.id
  policy = jsonencode(local.permissions)
}
