package obs

import (
	"context"

	"runlog/commit"
	"runlog/log"
)

// CommitEvents measures the writer. Its callbacks come from the writer's goroutine and the syncer's.
func (t *Telemetry) CommitEvents() commit.EventListener {
	ctx, i, logger := context.Background(), t.instruments, t.options.Logger
	return commit.EventListener{
		Group: func(info commit.GroupInfo) {
			if info.Last >= info.First {
				i.batchSize.Record(ctx, int64(info.Last-info.First)+1)
			}
			i.groupDuration.Record(ctx, info.Elapsed.Seconds())
			i.appendDuration.Record(ctx, info.Append.Seconds())
			i.writes.Add(ctx, int64(info.Writes))
			i.refused.Add(ctx, int64(info.Refused))
			i.queued.Record(ctx, int64(info.Queued))
		},
		Synced: func(info commit.SyncedInfo) { i.syncDuration.Record(ctx, info.Elapsed.Seconds()) },
		Turn: func(info commit.TurnInfo) {
			i.turnWait.Record(ctx, info.Waited.Seconds())
			i.turnHeld.Record(ctx, info.Held.Seconds())
			if info.Revoked {
				i.turnsRevoked.Add(ctx, 1)
				logger.Warn("a turn was taken back", "event", info)
			}
		},
		Backfill: func(info commit.BackfillInfo) {
			if info.Err != nil {
				logger.Error("an index was not filled", "event", info)
				return
			}
			logger.Info("an index was filled", "event", info)
		},
	}
}

// LogEvents measures storage and tells the logger of its troubles. fatal ends the process; see log.EventListener.
func (t *Telemetry) LogEvents(fatal func(error)) log.EventListener {
	ctx, i, logger := context.Background(), t.instruments, t.options.Logger
	return log.EventListener{
		Fatal:           fatal,
		BackgroundError: func(err error) { logger.Error("storage failed in the background and tries again", "error", err) },
		DiskSlow:        func(info log.DiskSlowInfo) { logger.Warn("the disk is slow", "event", info) },
		WriteStall: func(info log.WriteStallInfo) {
			if info.Stalled {
				i.stalls.Add(ctx, 1)
			}
			logger.Warn("appends are held up or go on", "event", info)
		},
		Synced: func(info log.SyncInfo) {
			i.syncs.Add(ctx, 1)
			i.syncedEntries.Add(ctx, int64(info.Entries))
			i.syncedBytes.Add(ctx, int64(info.Bytes))
		},
	}
}
