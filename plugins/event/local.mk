# An event type is one file and one line here.
event_LTLIBRARIES += \
  %D%/cart_abandoned.la \
  %D%/email_clicked.la \
  %D%/email_opened.la \
  %D%/login.la \
  %D%/order_cancelled.la \
  %D%/order_placed.la \
  %D%/payment_failed.la \
  %D%/product_viewed.la \
  %D%/refund_requested.la \
  %D%/review_submitted.la \
  %D%/subscription_cancelled.la \
  %D%/support_ticket_created.la
