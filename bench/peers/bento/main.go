// Bento with the components that profiles.yaml and alerts.yaml use, put together as its documentation shows for a
// distribution of one's own, and one function that lets the benchmark end: how many messages came so far.
package main

import (
	"context"
	"sync/atomic"

	"github.com/warpstreamlabs/bento/public/bloblang"
	"github.com/warpstreamlabs/bento/public/service"

	_ "github.com/warpstreamlabs/bento/public/components/kafka"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	_ "github.com/warpstreamlabs/bento/public/components/redis"
)

var total atomic.Int64

func seen(args *bloblang.ParsedParams) (bloblang.Function, error) {
	count, err := args.GetInt64("count")
	return func() (any, error) { return total.Add(count), nil }, err
}

func main() {
	spec := bloblang.NewPluginSpec().Param(bloblang.NewInt64Param("count"))
	if err := bloblang.RegisterFunctionV2("seen", spec, seen); err != nil {
		panic(err)
	}
	service.RunCLI(context.Background())
}
