// Package operate runs a site on a cloud. Each verb is one method of Operator: Up, Deploy, Rollback, Restore, Status, Down.
// A verb returns what it did as a value and reports what it is doing as events; it prints nothing.
//
//	o := operate.Operator{Site: shop, Cloud: cloud, LockWait: time.Minute}
//	result, err := o.Up(ctx)
//
// Verbs that change a site take its lock in the bucket, so that one operator works at a time. A verb may be killed at any
// moment: the next run goes on from there.
package operate
