package s3backup

import "errors"

// What a caller may want to tell apart. Every error says besides in what state it left things.
var (
	ErrNoBackup   = errors.New("no backup")                                               // none is there, or none fits
	ErrLocked     = errors.New("another run holds the lock")                              // of this machine, or a restore that of the database server
	ErrShrank     = errors.New("content shrank")                                          // by more than Store.ShrinkLimit
	ErrTruncated  = errors.New("dump is truncated")                                       // its trailer is missing
	ErrCorrupt    = errors.New("backup is damaged")                                       // bytes are not those that were written
	ErrWrongKey   = errors.New("no identity decrypts the backup")                         // or none is given
	ErrOtherSite  = errors.New("backup of another site")                                  // manifest and place disagree
	ErrClock      = errors.New("clock is wrong")                                          // against the store's, or it went back
	ErrAhead      = errors.New("backup is of a later time than the store's")              // no honest machine makes such a one: see Entry.Problem
	ErrLate       = errors.New("backup came into the store long after its time")          // as all do in a bucket that was copied: see Select.Late
	ErrStoreDown  = errors.New("store does not answer")                                   // the connection failed or broke, and trying again did not help
	ErrServerDown = errors.New("database server does not answer")                         // nothing is known of what it holds
	ErrBucketFull = errors.New("bucket is full")                                          // the store takes no more bytes
	ErrDiskFull   = errors.New("disk is full")                                            // on the server restored to
	ErrNotEmpty   = errors.New("database is not empty")                                   // and Target.Replace is not set
	ErrMismatch   = errors.New("restored data differs from the backup")                   // checksums of tables
	ErrFormat     = errors.New("manifest is of a format not known here")                  // a newer version's, or not a manifest
	ErrDefiner    = errors.New("backup holds what runs with rights beyond its databases") // and neither manifest nor server vouches for it
	ErrScript     = errors.New("script holds what no dump program writes")                // or a body that cannot be told from what follows it
)
