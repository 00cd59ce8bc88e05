// SPDX-License-Identifier: Apache-2.0
#include "flow/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "packet/headers.h"

namespace weft::flow {
namespace {

using packet::tcp_flag::ack;
using packet::tcp_flag::fin;
using packet::tcp_flag::rst;
using packet::tcp_flag::syn;

constexpr std::array kTcpStates = {State::tcp_opening,
                                   State::tcp_opened,
                                   State::tcp_established,
                                   State::tcp_client_closed,
                                   State::tcp_endpoint_closed,
                                   State::tcp_closed,
                                   State::tcp_reset,
                                   State::tcp_reset_then_client,
                                   State::tcp_reset_then_endpoint};

/// What each kind of segment makes of a state.
struct Row {
  State state;
  State client_syn, client_ack, client_fin;
  State endpoint_syn_ack, endpoint_ack, endpoint_fin;
};

constexpr Row row(State state, std::array<State, 3> client, std::array<State, 3> endpoint) {
  return {state, client[0], client[1], client[2], endpoint[0], endpoint[1], endpoint[2]};
}

constexpr State opening = State::tcp_opening;
constexpr State opened = State::tcp_opened;
constexpr State established = State::tcp_established;
constexpr State client_closed = State::tcp_client_closed;
constexpr State endpoint_closed = State::tcp_endpoint_closed;
constexpr State closed = State::tcp_closed;
constexpr State then_client = State::tcp_reset_then_client;
constexpr State then_endpoint = State::tcp_reset_then_endpoint;

constexpr Row kRows[] = {
    // state         the client's SYN, ACK, FIN                       the endpoint's SYN and ACK, ACK, FIN
    row(opening, {opening, opening, client_closed}, {opened, established, endpoint_closed}),
    row(opened, {opened, established, client_closed}, {opened, opened, endpoint_closed}),
    row(established, {established, established, client_closed}, {established, established, endpoint_closed}),
    row(client_closed, {client_closed, client_closed, client_closed}, {client_closed, client_closed, closed}),
    row(endpoint_closed, {endpoint_closed, endpoint_closed, closed},
        {endpoint_closed, endpoint_closed, endpoint_closed}),
    row(closed, {closed, closed, closed}, {closed, closed, closed}),
    row(State::tcp_reset, {then_client, then_client, then_client}, {then_endpoint, then_endpoint, then_endpoint}),
    row(then_client, {then_client, then_client, then_client}, {established, established, endpoint_closed}),
    row(then_endpoint, {established, established, client_closed}, {then_endpoint, then_endpoint, then_endpoint}),
};

class Transition : public ::testing::TestWithParam<Row> {};

void PrintTo(const Row& row, std::ostream* out) {
  *out << to_string(row.state);
}

TEST_P(Transition, IsAsItsRowSays) {
  const Row& expected = GetParam();
  const auto next = [&](int flags, Direction direction) {
    return to_string(next_tcp(expected.state, static_cast<uint8_t>(flags), direction));
  };
  EXPECT_EQ(next(syn, Direction::request), to_string(expected.client_syn));
  EXPECT_EQ(next(ack, Direction::request), to_string(expected.client_ack));
  EXPECT_EQ(next(fin | ack, Direction::request), to_string(expected.client_fin));
  EXPECT_EQ(next(fin, Direction::request), to_string(expected.client_fin));
  EXPECT_EQ(next(syn | ack, Direction::reply), to_string(expected.endpoint_syn_ack));
  EXPECT_EQ(next(ack, Direction::reply), to_string(expected.endpoint_ack));
  EXPECT_EQ(next(fin | ack, Direction::reply), to_string(expected.endpoint_fin));
}

TEST_P(Transition, ToResetByAnyRst) {
  for (const Direction direction : {Direction::request, Direction::reply}) {
    for (const int others : {0, +ack, +syn, +fin, fin | syn | ack}) {
      EXPECT_EQ(next_tcp(GetParam().state, static_cast<uint8_t>(rst | others), direction), State::tcp_reset);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tcp, Transition, ::testing::ValuesIn(kRows), [](const auto& tested) {
  std::string name(to_string(tested.param.state));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(FlowState, EveryTcpStateHasItsRow) {
  ASSERT_EQ(std::size(kRows), kTcpStates.size());
  for (size_t i = 0; i < kTcpStates.size(); ++i) {
    EXPECT_EQ(kRows[i].state, kTcpStates[i]);
  }
}

TEST(FlowState, NoSegmentLeadsOutOfTcp) {
  for (const State state : kTcpStates) {
    for (int flags = 0; flags < 256; ++flags) {
      for (const Direction direction : {Direction::request, Direction::reply}) {
        EXPECT_THAT(kTcpStates, ::testing::Contains(next_tcp(state, static_cast<uint8_t>(flags), direction)));
      }
    }
  }
}

TEST(FlowState, IsOverOnceBothClosedOrEitherReset) {
  std::set<State> over;
  for (size_t i = 0; i < kStates; ++i) {
    if (is_over(static_cast<State>(i))) {
      over.insert(static_cast<State>(i));
    }
  }
  EXPECT_THAT(over, ::testing::UnorderedElementsAre(closed, State::tcp_reset, then_client, then_endpoint));
}

TEST(FlowState, EachHasItsOwnTimeoutAndName) {
  Timeouts timeouts;
  timeouts.udp_request = std::chrono::milliseconds(1);
  timeouts.udp_exchange = std::chrono::milliseconds(2);
  timeouts.tcp_opening = std::chrono::milliseconds(3);
  timeouts.tcp_established = std::chrono::milliseconds(4);
  timeouts.tcp_closing = std::chrono::milliseconds(5);
  timeouts.tcp_closed = std::chrono::milliseconds(6);
  timeouts.tcp_reset = std::chrono::milliseconds(7);
  EXPECT_THAT(timeouts.by_state(), ::testing::ElementsAre(0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 7, 8));
  std::set<std::string_view> names;
  for (size_t i = 0; i < kStates; ++i) {
    names.insert(to_string(static_cast<State>(i)));
  }
  EXPECT_EQ(names.size(), kStates);
}

TEST(FlowState, DefaultsAreWhatTheRfcsAskFor) {
  const Timeouts timeouts;
  EXPECT_GE(timeouts.tcp_established, std::chrono::hours(2) + std::chrono::minutes(4)) << "RFC 5382, REQ-5";
  EXPECT_GE(timeouts.tcp_closing, std::chrono::minutes(4)) << "RFC 5382, REQ-5";
  EXPECT_GE(timeouts.udp_exchange, std::chrono::minutes(2)) << "RFC 4787, REQ-5";
}

}  // namespace
}  // namespace weft::flow
