package s3

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// State is everything that the service holds, but the data.
type State struct {
	Buckets map[string]BucketState `json:"buckets"`
}

// BucketState is one bucket.
type BucketState struct {
	Objects map[string]ObjectState `json:"objects"` // by key
	Uploads []UploadState          `json:"uploads"` // open ones, by key and id
	Policy  string                 `json:"policy"`
}

// ObjectState is one object.
type ObjectState struct {
	Size     int64     `json:"size"` // bytes
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified"`
}

// UploadState is one multipart upload that is neither completed nor aborted.
type UploadState struct {
	Key       string    `json:"key"`
	UploadID  string    `json:"upload_id"`
	Parts     int       `json:"parts"`
	Initiated time.Time `json:"initiated"`
}

// State returns a State.
func (s *Service) State(context.Context) any {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := State{Buckets: map[string]BucketState{}}
	for name, b := range s.buckets {
		one := BucketState{Objects: map[string]ObjectState{}, Uploads: []UploadState{}, Policy: b.policy}
		for key, o := range b.objects {
			one.Objects[key] = ObjectState{o.size, o.etag, o.modified}
		}
		for _, u := range b.uploads {
			one.Uploads = append(one.Uploads, UploadState{u.key, u.id, len(u.parts), u.initiated})
		}
		slices.SortFunc(one.Uploads, func(a, b UploadState) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.UploadID, b.UploadID))
		})
		out.Buckets[name] = one
	}
	return out
}
