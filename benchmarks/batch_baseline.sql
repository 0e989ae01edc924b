-- The original's tables and indexes (version 2.1.2), as far as its claims, counts and inserts touch them.
CREATE TABLE files (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE request_templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    file_id uuid NOT NULL REFERENCES files ON DELETE CASCADE,
    custom_id text, endpoint text NOT NULL, method text NOT NULL, path text NOT NULL, body text NOT NULL,
    model text NOT NULL, api_key text NOT NULL, line_number integer NOT NULL, body_byte_size bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON request_templates (file_id);
CREATE INDEX ON request_templates (file_id, line_number);
CREATE INDEX ON request_templates (model);
CREATE TABLE batches (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), file_id uuid REFERENCES files ON DELETE SET NULL,
    endpoint text NOT NULL, completion_window text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL, cancelling_at timestamptz, cancelled_at timestamptz,
    completed_at timestamptz, failed_at timestamptz
);
CREATE INDEX ON batches (file_id);
CREATE INDEX ON batches (expires_at);
CREATE TABLE requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    batch_id uuid NOT NULL REFERENCES batches ON DELETE CASCADE,
    template_id uuid REFERENCES request_templates ON DELETE SET NULL,
    custom_id text, model text NOT NULL, state text NOT NULL, retry_attempt integer NOT NULL DEFAULT 0,
    not_before timestamptz, daemon_id uuid, claimed_at timestamptz, started_at timestamptz,
    response_status smallint, response_body text, completed_at timestamptz, error text, failed_at timestamptz,
    canceled_at timestamptz, is_escalated boolean NOT NULL DEFAULT false,
    escalated_from_request_id uuid REFERENCES requests ON DELETE SET NULL,
    superseded_at timestamptz, superseded_by_request_id uuid REFERENCES requests ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state <> 'pending' OR (daemon_id IS NULL AND claimed_at IS NULL AND started_at IS NULL)),
    CHECK (state <> 'claimed' OR (daemon_id IS NOT NULL AND claimed_at IS NOT NULL AND started_at IS NULL)),
    CHECK (state <> 'completed' OR (response_status IS NOT NULL AND completed_at IS NOT NULL)),
    CHECK (state <> 'failed' OR (error IS NOT NULL AND failed_at IS NOT NULL)),
    CHECK (is_escalated = (escalated_from_request_id IS NOT NULL))
);
CREATE INDEX ON requests (batch_id);
CREATE INDEX ON requests (template_id);
CREATE INDEX ON requests (state);
CREATE INDEX ON requests (batch_id, state);
CREATE INDEX ON requests (state, model) WHERE state = 'pending';
CREATE INDEX ON requests (model, state);
CREATE INDEX ON requests (not_before) WHERE state = 'pending';
CREATE INDEX ON requests (daemon_id) WHERE state IN ('claimed', 'processing');
CREATE INDEX ON requests (claimed_at) WHERE state = 'claimed';
CREATE INDEX ON requests (started_at) WHERE state = 'processing';
CREATE INDEX ON requests (batch_id, completed_at, id) WHERE state = 'completed';
CREATE INDEX ON requests (batch_id, failed_at, id) WHERE state = 'failed';
CREATE INDEX ON requests (escalated_from_request_id) WHERE escalated_from_request_id IS NOT NULL;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON requests FOR EACH ROW EXECUTE FUNCTION touch();
