// ceprobe sends and receives CloudEvents with the Go SDK, as told by lines of JSON on standard input; what it did and
// what it received are lines of JSON on standard output. test/conformance/peer.ts is the other side.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/client"
	cecontext "github.com/cloudevents/sdk-go/v2/context"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/protocol"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// sample is an event in no SDK's own form. Of json, text and base64 at most one is given; none: no data.
type sample struct {
	ID              string            `json:"id"`
	Source          string            `json:"source"`
	Type            string            `json:"type"`
	Subject         string            `json:"subject,omitempty"`
	Time            string            `json:"time,omitempty"`
	DataContentType string            `json:"datacontenttype,omitempty"`
	DataSchema      string            `json:"dataschema,omitempty"`
	Extensions      map[string]string `json:"extensions"`
	JSON            json.RawMessage   `json:"json,omitempty"`
	Text            *string           `json:"text,omitempty"`
	Base64          []byte            `json:"base64,omitempty"`
}

type order struct {
	URL     string   `json:"url"`
	Mode    string   `json:"mode"` // binary, structured, batch
	Charset string   `json:"charset,omitempty"`
	Events  []sample `json:"events"`
}

var output = struct {
	sync.Mutex
	*json.Encoder
}{Encoder: json.NewEncoder(os.Stdout)}

func tell(line any) {
	output.Lock()
	defer output.Unlock()
	check(output.Encode(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ceprobe:", err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	proto, err := cehttp.New()
	check(err)
	handler, err := client.NewHTTPReceiveHandler(ctx, proto, func(e event.Event) { tell(map[string]any{"received": describe(e)}) })
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { check(http.Serve(listener, handler)) }()
	tell(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})

	// Without defaults: an event leaves as it was made.
	sender, err := client.New(proto)
	check(err)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var todo order
		check(json.Unmarshal(lines.Bytes(), &todo))
		status, err := carryOut(ctx, sender, todo)
		if err != nil {
			tell(map[string]any{"error": err.Error()})
		} else {
			tell(map[string]any{"status": status})
		}
	}
	check(lines.Err())
}

func carryOut(ctx context.Context, sender client.Client, todo order) (int, error) {
	events := make([]event.Event, len(todo.Events))
	for i, one := range todo.Events {
		one, err := made(one)
		if err != nil {
			return 0, err
		}
		events[i] = one
	}
	if todo.Mode == "batch" {
		request, err := cehttp.NewHTTPRequestFromEvents(ctx, todo.URL, events)
		if err != nil {
			return 0, err
		}
		return post(request, todo.Charset)
	}
	if todo.Mode == "structured" {
		ctx = binding.WithForceStructured(ctx)
	} else {
		ctx = binding.WithForceBinary(ctx)
	}
	if todo.Charset == "" {
		return statusOf(sender.Send(cecontext.WithTarget(ctx, todo.URL), events[0]))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, todo.URL, nil)
	if err != nil {
		return 0, err
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&events[0]), request); err != nil {
		return 0, err
	}
	return post(request, todo.Charset)
}

// post sends what the SDK has written, with a charset that it does not write itself.
func post(request *http.Request, charset string) (int, error) {
	if charset != "" {
		request.Header.Set("Content-Type", request.Header.Get("Content-Type")+"; charset="+charset)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func statusOf(result protocol.Result) (int, error) {
	var answer *cehttp.Result
	if protocol.ResultAs(result, &answer) {
		return answer.StatusCode, nil
	}
	return 0, result
}

func made(s sample) (event.Event, error) {
	e := event.New()
	e.SetID(s.ID)
	e.SetSource(s.Source)
	e.SetType(s.Type)
	if s.Subject != "" {
		e.SetSubject(s.Subject)
	}
	if s.DataSchema != "" {
		e.SetDataSchema(s.DataSchema)
	}
	if s.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, s.Time)
		if err != nil {
			return e, err
		}
		e.SetTime(at)
	}
	for name, value := range s.Extensions {
		e.SetExtension(name, value)
	}
	switch {
	case s.JSON != nil:
		e.DataEncoded = s.JSON
	case s.Text != nil:
		e.DataEncoded = []byte(*s.Text)
	case s.Base64 != nil:
		e.DataEncoded = s.Base64
		e.DataBase64 = true
	}
	if s.DataContentType != "" {
		e.SetDataContentType(s.DataContentType)
	}
	return e, e.Validate()
}

// describe gives data as bytes always: what they mean, the content type says.
func describe(e event.Event) map[string]any {
	extensions := map[string]string{}
	for name, value := range e.Extensions() {
		extensions[name] = fmt.Sprint(value)
	}
	found := map[string]any{
		"id": e.ID(), "source": e.Source(), "type": e.Type(), "subject": e.Subject(), "datacontenttype": e.DataContentType(),
		"dataschema": e.DataSchema(), "extensions": extensions,
	}
	if !e.Time().IsZero() {
		found["time"] = e.Time().Format(time.RFC3339Nano)
	}
	if data := e.Data(); len(data) > 0 {
		found["base64"] = bytes.Clone(data)
	}
	return found
}
