-- Why a target is gone, in the platform's words; and what ended with it, for an operator to see.
ALTER TABLE gone ADD COLUMN error TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_gone ON outbox (queued_at) WHERE state = 4 AND reason = 'target_gone';
