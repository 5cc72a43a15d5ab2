package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	v1 "k8s.io/api/core/v1"
)

const followEvery = 200 * time.Millisecond

// What a container wrote to standard output and error, in its present run or the one before.
func (p *runningPod) logs(ctx context.Context, container string, options api.ContainerLogOpts) (io.ReadCloser, error) {
	statuses := p.snapshot().Status.ContainerStatuses
	index := slices.IndexFunc(statuses, func(each v1.ContainerStatus) bool { return each.Name == container })
	if index < 0 {
		return nil, errdefs.NotFoundf("the pod has no container %s", container)
	}
	run := int(statuses[index].RestartCount)
	if statuses[index].State.Waiting != nil && run > 0 {
		run--
	}
	if options.Previous {
		run--
	}
	path := p.logFile(container, run)
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, errdefs.NotFoundf("the container %s has no log of that run", container)
	}
	shown := lastLines(content, options.Tail)
	if options.LimitBytes > 0 {
		shown = shown[:min(len(shown), options.LimitBytes)]
	}
	if !options.Follow {
		return io.NopCloser(bytes.NewReader(shown)), nil
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(shown), &follower{ctx: ctx, path: path, offset: int64(len(content)), ended: p.ended})), nil
}

// All of it where the number is 0.
func lastLines(content []byte, number int) []byte {
	if number == 0 {
		return content
	}
	start := len(bytes.TrimSuffix(content, []byte("\n")))
	for range number {
		start = bytes.LastIndexByte(content[:max(start, 0)], '\n')
		if start < 0 {
			return content
		}
	}
	return content[start+1:]
}

// What is added to a file, until the pod or the reader is gone.
type follower struct {
	ctx    context.Context
	path   string
	offset int64
	ended  <-chan struct{}
}

func (f *follower) Read(buffer []byte) (int, error) {
	for {
		over := false
		select {
		case <-f.ended:
			over = true
		default:
		}
		count, err := f.readMore(buffer)
		if count > 0 || err != nil {
			return count, err
		}
		if over || !sleep(f.ctx, followEvery) {
			return 0, io.EOF
		}
	}
}

func (f *follower) readMore(buffer []byte) (int, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	count, err := file.ReadAt(buffer, f.offset)
	f.offset += int64(count)
	if err == io.EOF {
		err = nil
	}
	return count, err
}
