-- Where the order's trace stands (W3C Trace Context): it goes on there, however long the order has waited. Empty: not traced.
alter table orders add column traceparent text not null default '';
