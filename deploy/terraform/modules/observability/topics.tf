resource "aws_sns_topic" "page" {
  count = var.create_topics ? 1 : 0

  name              = "headgate-${replace(var.service, ".", "-")}-page"
  kms_master_key_id = var.topic_kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic" "ticket" {
  count = var.create_topics ? 1 : 0

  name              = "headgate-${replace(var.service, ".", "-")}-ticket"
  kms_master_key_id = var.topic_kms_key_arn
  tags              = var.tags
}

locals {
  created_topics = var.create_topics ? { page = aws_sns_topic.page[0].arn, ticket = aws_sns_topic.ticket[0].arn } : {}
}

# CloudWatch and EventBridge publish as services, and only for this account.
resource "aws_sns_topic_policy" "this" {
  for_each = var.create_topics ? toset(["page", "ticket"]) : toset([])

  arn = local.created_topics[each.key]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsAndEventsOfThisAccount"
      Effect    = "Allow"
      Action    = "sns:Publish"
      Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com"] }
      Resource  = local.created_topics[each.key]
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}
