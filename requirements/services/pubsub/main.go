// A Pub/Sub server that outlives its own death: Google's pstest, with a journal on disk.
//
// pstest keeps everything in memory. Every call that changes something is written down here, with
// its time, and done again at the next start: message ids and publish times stay the same, what was
// acknowledged stays acknowledged, and what was not is delivered again.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// handler does one kind of call on the server; the key is the last part of the method's name.
type handler struct {
	empty func() proto.Message
	call  func(context.Context, *pstest.GServer, proto.Message) (any, error)
}

func handle[Q proto.Message, A any](empty func() Q, call func(*pstest.GServer, context.Context, Q) (A, error)) handler {
	return handler{
		func() proto.Message { return empty() },
		func(ctx context.Context, s *pstest.GServer, q proto.Message) (any, error) { return call(s, ctx, q.(Q)) },
	}
}

var changes = map[string]handler{
	"CreateTopic":        handle(func() *pb.Topic { return &pb.Topic{} }, (*pstest.GServer).CreateTopic),
	"CreateSubscription": handle(func() *pb.Subscription { return &pb.Subscription{} }, (*pstest.GServer).CreateSubscription),
	"DeleteTopic":        handle(func() *pb.DeleteTopicRequest { return &pb.DeleteTopicRequest{} }, (*pstest.GServer).DeleteTopic),
	"DeleteSubscription": handle(func() *pb.DeleteSubscriptionRequest { return &pb.DeleteSubscriptionRequest{} }, (*pstest.GServer).DeleteSubscription),
	"Publish":            handle(func() *pb.PublishRequest { return &pb.PublishRequest{} }, (*pstest.GServer).Publish),
	"Acknowledge":        handle(func() *pb.AcknowledgeRequest { return &pb.AcknowledgeRequest{} }, (*pstest.GServer).Acknowledge),
}

// journal is a file of records: name, time (ns) and request, each with its length before it.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func (j *journal) append(name string, at time.Time, request []byte) error {
	record := binary.AppendUvarint(nil, uint64(len(name)))
	record = append(record, name...)
	record = binary.AppendUvarint(record, uint64(at.UnixNano()))
	record = binary.AppendUvarint(record, uint64(len(request)))
	_, err := j.file.Write(append(record, request...))
	return err
}

// again does all that is written down; half a record at the end was never answered.
func (j *journal) again(server *pstest.Server) error {
	reader := bufio.NewReader(j.file)
	defer server.SetTimeNowFunc(time.Now)
	for {
		name, err := field(reader)
		if err != nil {
			return nil
		}
		at, err := binary.ReadUvarint(reader)
		if err != nil {
			return nil
		}
		data, err := field(reader)
		if err != nil {
			return nil
		}
		change, known := changes[string(name)]
		if !known {
			return fmt.Errorf("the journal holds %q", name)
		}
		request := change.empty()
		if err := proto.Unmarshal(data, request); err != nil {
			return err
		}
		server.SetTimeNowFunc(func() time.Time { return time.Unix(0, int64(at)) })
		if _, err := change.call(context.Background(), &server.GServer, request); err != nil {
			return err
		}
	}
}

func field(reader *bufio.Reader) ([]byte, error) {
	size, err := binary.ReadUvarint(reader)
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	_, err = io.ReadFull(reader, data)
	return data, err
}

// note answers calls, and writes down those that changed something before they are answered.
func (j *journal) note(server *pstest.Server) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		name := info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:]
		if _, known := changes[name]; !known {
			return next(ctx, request)
		}
		// Numbered and written down in one order.
		j.mu.Lock()
		defer j.mu.Unlock()
		written := proto.Clone(request.(proto.Message))
		if acks, is := written.(*pb.AcknowledgeRequest); is {
			// "ID:DELIVERY": after a start nothing was delivered yet.
			for i, id := range acks.AckIds {
				acks.AckIds[i], _, _ = strings.Cut(id, ":")
			}
		}
		data, err := proto.Marshal(written)
		if err != nil {
			return nil, err
		}
		at := time.Now()
		server.SetTimeNowFunc(func() time.Time { return at })
		defer server.SetTimeNowFunc(time.Now)
		answer, err := next(ctx, request)
		if err == nil {
			err = j.append(name, at, data)
		}
		return answer, err
	}
}

func main() {
	address := flag.String("address", "127.0.0.1:8085", "where to listen")
	path := flag.String("journal", "journal", "file that outlives the process")
	flag.Parse()
	file, err := os.OpenFile(*path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	notes := &journal{file: file}
	// It also listens on a port of its own, without a journal: nobody is told of that.
	server := pstest.NewServer()
	if err := notes.again(server); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	front := grpc.NewServer(grpc.UnaryInterceptor(notes.note(server)), grpc.MaxRecvMsgSize(64<<20))
	pb.RegisterPublisherServer(front, &server.GServer)
	pb.RegisterSubscriberServer(front, &server.GServer)
	log.Printf("listening on %s", *address)
	log.Fatal(front.Serve(listener))
}
