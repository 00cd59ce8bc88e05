// SPDX-License-Identifier: Apache-2.0
/// @file Applications that talk: two ends of a session, each with habits of its own, and a relay that may lie between.
///
/// They act on events, and on their own clock; none asks again and again, so that an event that does not come shows.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "tcp_host.h"
#include "tcp_wire_watch.h"

namespace weft::simulation {

/// How one end behaves.
struct Habits {
  enum class Ending : uint8_t {
    shutdown,  ///< when all is written; then reads what comes
    follow,    ///< shuts down after the peer has
    close,     ///< closes when all is written and read
    hang_up,   ///< closes when all is written, whatever comes
    abort,     ///< in the middle
  };

  uint64_t bytes = 0;              ///< that it writes
  uint64_t write_size = 1;         ///< at once, if there is room
  Time write_pause{};              ///< between
  uint64_t read_size = 1;          ///< at once
  Time read_pause{};               ///< between
  uint64_t stall_at = UINT64_MAX;  ///< bytes read, when it stops reading for a while
  Time stall{};
  Ending ending = Ending::shutdown;
  uint64_t abort_at = UINT64_MAX;  ///< bytes written and read
  bool may_be_refused = false;     ///< of a simultaneous open: the peer may not have begun
};

struct SessionPlan {
  lb::Family family = lb::Family::ipv4;
  Time start{};
  bool simultaneous = false;  ///< both sides connect
  bool relayed = false;
  lb::Port client_port{};
  Habits client;
  Habits server;

  /// Does one side break off? Then nothing but what arrived counts.
  bool is_rude() const {
    const auto breaks_off = [](const Habits& habits) {
      return habits.ending == Habits::Ending::hang_up || habits.ending == Habits::Ending::abort;
    };
    return breaks_off(client) || breaks_off(server);
  }
};

constexpr uint16_t kServerPort = 80;
constexpr uint16_t kRelayPort = 81;

/// One end of one session.
class End {
 public:
  enum class Outcome : uint8_t { open, closed, left, refused, reset, timed_out, gave_up };

  End(Host& host, const Habits& habits, uint64_t writes, uint64_t reads, uint64_t reads_in_all, bool may_fail);

  /// Asks for a connection. @returns false: there was none to have
  bool connect(const tcp::SocketPair& pair, uint32_t user, Time now);
  void was_accepted(tcp::ConnectionId id, uint32_t user, Time now);
  void handle(const tcp::Event& event, Time now);
  void act(Time now);
  Time due() const;

  Outcome outcome() const { return outcome_; }
  bool began() const { return began_; }
  uint64_t read() const { return read_; }
  uint64_t written() const { return written_; }
  std::string describe() const;

 private:
  void begin(tcp::ConnectionId id, Time now);
  void read(Time now);
  void write(Time now);
  void end_if_done(Time now);
  void take(size_t bytes);
  void leave(Outcome outcome);
  [[noreturn]] void fail(const std::string& what) const;

  Host& host_;
  const Habits habits_;
  const Stream writes_;
  const Stream reads_;
  const uint64_t reads_in_all_;
  const bool may_fail_;

  tcp::ConnectionId id_;
  bool began_ = false;
  Outcome outcome_ = Outcome::open;
  uint64_t written_ = 0;
  uint64_t of_this_write_ = 0;  ///< still to be written
  uint64_t read_ = 0;
  bool was_refused_ = false;
  bool waits_for_room_ = false;
  bool something_to_read_ = false;
  bool peer_closed_ = false;
  bool shut_down_ = false;
  bool stalled_ = false;
  Time write_at_{};
  Time read_at_{};
  Time heard_at_{};   ///< of something, the last time
  bool met_ = false;  ///< connected, or accepted
};

/// The sessions of a run, on two hosts and perhaps a relay.
class Sessions {
 public:
  /// @param relay may be null, if no session is relayed
  /// @param harsh the network is one on which a connection may fail
  Sessions(Host& client, Host& server, Host* relay, std::vector<SessionPlan> plans, bool harsh);

  Application& client() { return client_; }
  Application& server() { return server_; }
  Application& relay() { return relay_; }

  /// Throws Violation unless everything came to the end that it should.
  void expect_all_done() const;
  uint64_t bytes_read() const;
  uint32_t clean() const { return clean_; }

 private:
  class Side : public Application {
   public:
    Side(Sessions& sessions, Host& host, bool is_client) : sessions_(sessions), host_(host), is_client_(is_client) {}
    void handle(const tcp::Event& event, Time now) override;
    void act(Time now) override;
    Time due() const override;

   private:
    bool connects(const SessionPlan& plan) const { return is_client_ || (plan.simultaneous && !plan.relayed); }
    End& end(uint32_t session) const;

    Sessions& sessions_;
    Host& host_;
    bool is_client_;
    std::vector<bool> started_;
  };
  class Relay : public Application {
   public:
    explicit Relay(Sessions& sessions, Host* host) : sessions_(sessions), host_(host) {}
    void handle(const tcp::Event& event, Time now) override;
    void act(Time now) override;
    Time due() const override;

   private:
    struct Leg {
      tcp::ConnectionId id;
      bool open = false;
      bool peer_closed = false;
      bool shut_down = false;  ///< what goes out of it
    };
    struct Flow {
      Leg legs[2];  ///< to the client, to the server
      Time heard_at{};
    };
    void accept(const tcp::Event& event, Time now);
    void move(Flow& flow, int from);
    void drop(Leg& leg);

    Sessions& sessions_;
    Host* host_;
    std::deque<Flow> flows_;
  };
  struct Session {
    SessionPlan plan;
    std::unique_ptr<End> client;
    std::unique_ptr<End> server;
  };

  static bool all_came(const End& from, const End& to, uint64_t bytes);

  Host& client_host_;
  Host& server_host_;
  Host* relay_host_;
  std::vector<Session> sessions_;
  std::map<tcp::SocketPair, uint32_t, PairOrder> by_pair_;  ///< as the one who connects names it
  Side client_;
  Side server_;
  Relay relay_;
  const bool harsh_;
  mutable uint32_t clean_ = 0;
};

}  // namespace weft::simulation
