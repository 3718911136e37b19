// SPDX-License-Identifier: Apache-2.0

// Load for etcd with its own client.
// URL WRITERS SECONDS: each writer creates one key of 1 KB after the other; prints writes per second, the
// median and the 99th percentile in ms. URL list PREFIX: prints the fastest and the slowest of five lists in ms.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

func main() {
	if os.Args[2] == "list" {
		list(os.Args[3])
		return
	}
	writers, _ := strconv.Atoi(os.Args[2])
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}})
	if err != nil {
		panic(err)
	}
	value := string(make([]byte, 1024))
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	var lock sync.Mutex
	var taken []float64
	var group sync.WaitGroup
	for writer := 0; writer < writers; writer++ {
		group.Add(1)
		go func(writer int) {
			defer group.Done()
			var mine []float64
			for index := 0; time.Now().Before(end); index++ {
				key := fmt.Sprintf("/registry/pods/w%d-%d/p%d", writers, writer, index)
				begun := time.Now()
				absent := clientv3.Compare(clientv3.ModRevision(key), "=", 0)
				_, err := client.Txn(context.Background()).If(absent).Then(clientv3.OpPut(key, value)).Commit()
				if err != nil {
					panic(err)
				}
				mine = append(mine, time.Since(begun).Seconds()*1000)
			}
			lock.Lock()
			taken = append(taken, mine...)
			lock.Unlock()
		}(writer)
	}
	group.Wait()
	sort.Float64s(taken)
	at := func(part float64) float64 { return taken[int(float64(len(taken))*part)] }
	fmt.Println(float64(len(taken))/seconds, at(0.5), at(0.99))
}

func list(prefix string) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{os.Args[1]},
		DialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1 << 30))},
	})
	if err != nil {
		panic(err)
	}
	var taken []float64
	for round := 0; round < 5; round++ {
		begun := time.Now()
		answer, err := client.Get(context.Background(), prefix, clientv3.WithPrefix())
		if err != nil {
			panic(err)
		}
		if answer.Count != 10000 {
			panic(answer.Count)
		}
		taken = append(taken, time.Since(begun).Seconds()*1000)
	}
	sort.Float64s(taken)
	fmt.Println(taken[0], taken[4])
}
