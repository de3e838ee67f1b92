package log

import "github.com/cockroachdb/pebble/v2/vfs"

// Metrics are figures of one moment. Sizes are in bytes.
type Metrics struct {
	Head, Durable Head

	// DiskSize is what the folder takes, WALSize the part of it not yet sorted into tables.
	DiskSize, WALSize uint64
	// MemTableSize is the memory of writes not yet sorted into tables, CacheSize that of blocks read.
	MemTableSize, CacheSize uint64
	// CacheHits and CacheMisses count block reads since Open.
	CacheHits, CacheMisses int64
	// CompactionDebt is how much has yet to be rewritten until the tables are in order.
	CompactionDebt uint64
	// ReadAmplification is how many tables a read of a missing key may have to look at.
	ReadAmplification int
	// Flushes and Compactions count since Open.
	Flushes, Compactions int64
}

// Metrics returns the log's figures; all zero once it is closed.
func (l *Log) Metrics() Metrics {
	if l.join() != nil {
		return Metrics{}
	}
	defer l.leave()
	m := l.db.Metrics()
	return Metrics{
		Head:              l.Head(),
		Durable:           l.Durable(),
		DiskSize:          m.DiskSpaceUsage(),
		WALSize:           m.WAL.Size,
		MemTableSize:      m.MemTable.Size,
		CacheSize:         uint64(m.BlockCache.Size),
		CacheHits:         m.BlockCache.Hits,
		CacheMisses:       m.BlockCache.Misses,
		CompactionDebt:    m.Compact.EstimatedDebt,
		ReadAmplification: m.ReadAmp(),
		Flushes:           m.Flush.Count,
		Compactions:       m.Compact.Count,
	}
}

// DiskUsage returns how full the file system of the data folder is.
func (l *Log) DiskUsage() (vfs.DiskUsage, error) { return l.fs.GetDiskUsage(l.dir) }
