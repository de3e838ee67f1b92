package server

import (
	"net/http"

	"runlog/internal/auth"
)

// kafkaStatus tells an admin how publishing fares.
func kafkaStatus(x *exchange) error {
	if err := x.open(); err != nil {
		return err
	}
	if err := x.require(auth.ViewMetrics); err != nil {
		return err
	}
	if x.backend.Publishing != nil {
		if status := x.backend.Publishing(); status != nil {
			return x.sendJSON(http.StatusOK, status)
		}
	}
	return &wireError{http.StatusNotFound, "KafkaNotConfigured",
		"This server publishes nothing to Kafka: start it with --kafka-brokers."}
}
