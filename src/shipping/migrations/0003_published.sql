-- When the broker took the fact's message. It is told once orders has answered for it, over the broker's head.
alter table facts add column published_at timestamptz;
