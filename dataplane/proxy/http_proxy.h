// SPDX-License-Identifier: Apache-2.0
/// @file Reads clients' requests, sends each where the rules say, and brings the responses back.
///
/// One a worker. A client's connection has one exchange at a time; what it pipelines waits in its receive queue, and so
/// does a body that the other side does not take: windows close by themselves. Connections to endpoints wait between
/// requests, and serve whichever client comes next.
///
/// What an exchange needs of the rules is copied when it is routed, so no snapshot is held. Another attempt is routed
/// anew, by the rules of then, from the head that the client sent.
///
/// As with Relay, what is to be done elsewhere stands in lists, which the caller works off. No allocation after
/// construction. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/date.h"
#include "http/head.h"
#include "http/head_writer.h"
#include "lb/authorization.h"
#include "lb/fault_board.h"
#include "lb/http_cors.h"
#include "lb/inspection.h"
#include "lb/request_balancer.h"
#include "lb/route_scratch.h"
#include "lb/session_token.h"
#include "lb/snapshot.h"
#include "lb/split_mix.h"
#include "proxy/access_record.h"
#include "proxy/call.h"
#include "proxy/connection_user.h"
#include "proxy/exchange.h"
#include "proxy/head_source.h"
#include "proxy/http_books.h"
#include "proxy/inspected_body.h"
#include "proxy/kept_body.h"
#include "proxy/received_request.h"
#include "proxy/request_writer.h"
#include "proxy/response_writer.h"
#include "proxy/session_info.h"
#include "proxy/texts.h"
#include "proxy/upstreams.h"
#include "tcp/engine.h"
#include "time/wheel.h"

namespace weft::proxy {

struct HttpConfig {
  uint32_t clients = 0;
  uint32_t exchanges = 0;
  uint32_t upstreams = 0;
  uint32_t service_slots = 0;
  uint32_t endpoint_slots = 0;
  uint32_t gathered_heads = 256;  ///< that come in more than one segment, at a time; of limits.head bytes each, a
                                  ///< quarter of them responses'
  http::Limits limits;
  time::Millis client_idle = 60'000;   ///< between requests
  time::Millis head = 10'000;          ///< from a request head's first byte to its last
  time::Millis body_idle = 30'000;     ///< of a request's body: the client sends nothing, though there is room
  time::Millis stream_idle = 300'000;  ///< nothing moves either way; of tunnels: an hour
  time::Millis tunnel_idle = 3'600'000;
  Marks marks;                         ///< what is added to heads
  uint32_t worker = 0;                 ///< whose scratch of a snapshot is used
  lb::SessionKey session_key{};        ///< the same on all nodes that are to know each other's sessions
  int64_t wall_clock_s = 0;            ///< seconds from 1970 to time zero
  uint64_t seed = 0;                   ///< of all choices by chance
  Protections* protections = nullptr;  ///< the node's, which outlive the proxy; null: of its own, as the only worker
  lb::FaultBoard* faults = nullptr;    ///< likewise
};

class HttpProxy {
 public:
  /// Throws std::bad_alloc. @param buffers for what weft writes itself
  HttpProxy(tcp::Engine& engine, buffer::Pool& buffers, const HttpConfig& config, time::Time now);
  ~HttpProxy();

  /// A client's connection that has been accepted; what came by it is unread.
  void begin(tcp::ConnectionId client, const lb::Snapshot& snapshot, time::Time now);
  /// What the engine said of connections whose role is http_client or http_upstream.
  void act(std::span<const tcp::Event> events, const lb::Snapshot& snapshot, time::Time now);
  /// What time brings; once a millisecond.
  void advance(const lb::Snapshot& snapshot, time::Time now);
  /// Is there more to do that nothing will tell of?
  bool has_more() const { return !again_.empty() || served_ < later_.size(); }

  bool awaits(const Call& call) const;
  void connect(const Call& call, const tcp::SocketPair& pair, const lb::Snapshot& snapshot, time::Time now,
               uint8_t path);
  void give_up(const Call& call, const lb::Snapshot& snapshot, time::Time now);

  std::vector<Call>& calls() { return calls_; }
  std::vector<Change>& changes() { return changes_; }
  /// Of exchanges that are over; only if somebody wants them.
  std::vector<AccessRecord>& records() { return records_; }
  void want_records(bool wanted) { records_wanted_ = wanted; }
  /// From now on clients are told with each response to make a new connection, and those that say nothing for a second
  /// are closed; or not any more.
  void drain(bool wanted);

  /// What a connection is of.
  std::optional<SessionSide> find(tcp::ConnectionId id) const;
  uint32_t places() const { return static_cast<uint32_t>(clients_.size()) + upstreams_.capacity(); }
  /// Calls use(info) for what lies in so many places from this one on. @returns the next place; 0: there is none
  template <typename Use>
  uint32_t visit(uint32_t from, uint32_t count, Use use) const {
    const uint32_t end = std::min(from + count, places());
    for (; from < end; ++from) {
      if (const std::optional<SessionInfo> info = info_at(from)) {
        use(*info);
      }
    }
    return from < places() ? from : 0;
  }

  HttpBooks books() const;
  size_t memory_bytes() const;

 private:
  struct Client {
    enum class State : uint8_t {
      free,
      reading,    ///< a request's head
      busy,       ///< with an exchange
      lingering,  ///< weft has closed: what is queued goes out, and what still comes is thrown away
    };
    tcp::ConnectionId id;
    tcp::SocketPair pair;
    uint32_t service_slot = kNobody;
    uint32_t caller = kNobody;  ///< place of whose it is among the service's callers, if those are bounded
    time::Millis began_at = 0;
    time::Millis moved_at = 0;  ///< the last response was over; of one that lingers: it took something
    State state = State::free;
    bool in_again = false;
    bool skipped_blank = false;  ///< an empty line in front of the request
    uint32_t exchange = kNobody;
    uint32_t requests = 0;
    time::Millis until = 0;  ///< of reading and lingering
    uint32_t queued = 0;     ///< of one that lingers: bytes that it had not taken when it was last looked at
    PartialHead partial;
    uint32_t older = kNobody;  ///< clients whose heads are put together, by when they began
    uint32_t newer = kNobody;
  };
  struct Turn {
    const lb::Snapshot* snapshot = nullptr;
    time::Time time{};
    time::Millis millis = 0;
    // Whom caller_of() was asked about last: several protections ask about one request.
    lb::Address asked;
    const lb::Caller* caller = nullptr;
    bool was_asked = false;
  };
  /// What a request is answered with by weft itself.
  struct Reply {
    uint16_t status = 0;
    ResponseFlags flags = 0;
    std::string_view why;
  };

  void turn(const lb::Snapshot& snapshot, time::Time now);
  void serve_again();
  void prefetch(std::span<const tcp::Event> events) const;

  // http_client.cc: clients' connections.
  void act_on_client(uint32_t number, const tcp::Event& event);
  void read_requests(uint32_t number);
  void skip_blank(Client& client);
  void note_gathering(uint32_t number);
  void forget_gathering(uint32_t number);
  void forget_partial(uint32_t number);
  void start(uint32_t number, buffer::Slice head);
  void refuse(uint32_t number, const Reply& reply);
  void turn_away(uint32_t number);
  void await_request(uint32_t number);
  void linger(uint32_t number);
  void forget_client(uint32_t number);
  void client_gone(uint32_t number, bool in_order);
  void drop_input(uint32_t number);
  void look_again(uint32_t number);

  // http_access.cc: may the client have it?
  lb::Judgement judge(const lb::Service& service, const lb::Address& client, const lb::HttpRequest& request);
  bool authorize(uint32_t number, const lb::Service& service, const lb::HttpRequest& request);
  bool authorize_received(uint32_t number, const lb::Service& service, const lb::RouteTable::Match& match,
                          const lb::HttpBackend* backend);
  void note_denied(Exchange& x, const lb::Service& service, const lb::Judgement& judgement);
  const lb::Service* forbidding(const Exchange& x, lb::Judgement& judgement);
  std::optional<lb::HttpRequest> received_again(const Exchange& x, const lb::Service& listener);
  void judge_again();

  // http_inspection.cc: what is in it?
  bool inspect_request(uint32_t number, const lb::Service& service);
  bool inspect_head(uint32_t number, const lb::Inspection& inspection);
  bool inspect_body_from_its_start(uint32_t number, const lb::Inspection& inspection);
  bool inspect_for_backend(uint32_t number, const lb::Service& service);
  bool inspect_response(uint32_t number, const http::Framing& body);
  bool inspect_body(uint32_t number, lb::Signature::Message message);
  bool take_look(uint32_t number, uint32_t& at, lb::Signature::Message message, InspectedBody::State state,
                 const lb::Finding& finding);
  bool begin_seeing(uint32_t number, const lb::Inspection& inspection, lb::Signature::Message message,
                    const http::Framing& body, const http::Fields& fields);
  bool take_finding(uint32_t number, const lb::Inspection& inspection, lb::Signature::Message message,
                    const lb::Finding& finding);
  bool take_unseen(uint32_t number, const lb::Inspection& inspection, lb::Signature::Message message,
                   std::string_view why);
  bool leave_unseen(uint32_t number);
  void deny(uint32_t number, lb::Signature::Message message, std::string_view name, std::string_view why);
  void stop_seeing(uint32_t& seen);
  void forget_seen(Exchange& x) {
    if ((x.seen_request & x.seen_response) != kNobody) [[unlikely]] {
      stop_seeing(x.seen_request);
      stop_seeing(x.seen_response);
    }
  }

  // http_request.cc: from a head to an attempt.
  uint32_t open_exchange(uint32_t client);
  bool read_head(const Exchange& x);
  void route(uint32_t number);
  void route_by(uint32_t number, const lb::Service& listener, const lb::RouteTable::Match& match);
  void add_cors(const lb::CorsAnswer& answer);
  bool answer_itself(uint32_t number, const lb::Service& listener, const lb::RouteTable::Match& match);
  void copy_wishes(Exchange& x, const lb::HttpRule& rule);
  const lb::Service* backend_of(const lb::BackendPort& port, const Exchange& x) const;
  bool write_heads(uint32_t number, const lb::RouteTable::Match& match, const lb::HttpBackend* backend,
                   const lb::Service& listener);
  bool keep_response_edits(Exchange& x, const lb::HttpRule& rule, const lb::HttpBackend* backend);
  const lb::HttpBackend* backend_of_session(const Exchange& x, const lb::HttpRule& rule) const;
  const lb::Target* target_of_session(const Exchange& x, const lb::Service& service,
                                      const lb::SessionPersistence& session, lb::SessionToken& token) const;
  void renew_session(const lb::Service& service, const lb::Target& target, const lb::SessionPersistence& session,
                     lb::SessionToken token);
  std::optional<uint64_t> begin_cookie(const lb::RequestPolicy& policy, const lb::RequestBalancer::Asked& asked);
  uint32_t wall_clock_s() const;
  std::string_view date();
  const lb::Target* choose_endpoint(Exchange& x, const lb::Service& service, const lb::HttpRule& rule);
  void attempt(uint32_t number, const lb::Service& service, const lb::Target& target);
  uint8_t path_of(const Exchange& x) const;
  void use(uint32_t number, uint32_t upstream);
  void pump_request(uint32_t number);
  void start_mirrors(uint32_t number);
  void start_mirror(uint32_t of, const lb::RouteTable::Match& match, const lb::Mirror& mirror,
                    const lb::Service& listener);
  void forget_kept(Exchange& x);

  // http_rate.cc: how many requests a service takes in a time.
  bool is_within_limits(uint32_t number, const lb::Service& service, const lb::HttpRule& rule);

  // http_fault.cc: what is injected on purpose.
  lb::FaultScope fault_scope(const Exchange& x, const lb::HttpRule& rule);
  void note_fault(Exchange& x, const lb::Fault& fault, lb::Injected what);
  const lb::Fault* fault_of(const Exchange& x, uint64_t id) const;
  bool waits_for_fault(Exchange& x) const;
  void delay_request(uint32_t number, const lb::Service& service, const lb::Injection& injection);
  void abort_request(uint32_t number, const lb::Fault& fault);
  void end_delay(Exchange& x);
  bool pass_faults(uint32_t number, const lb::Service& listener, const lb::Service& service, const lb::HttpRule& rule);
  const lb::Fault* killer_of(const Exchange& x, const lb::Service& listener, const lb::Service& service,
                             const lb::HttpRule& rule, const lb::Target& target);

  // http_protection.cc: circuit breakers, retry budgets, outlier detection.
  const lb::Target* pick_endpoint(Exchange& x, const lb::Service& service, const lb::RequestBalancer::Asked& asked);
  const lb::Target* pick_with_room(Exchange& x, const lb::Service& service, lb::RequestBalancer::Asked asked,
                                   const lb::Target* target);
  const lb::Target* walk_for_room(const Exchange& x, const lb::Service& service, const lb::Target& from);
  bool is_full(const lb::Service& service, const lb::Target& target) const;
  bool admit(uint32_t number, const lb::Service& service, const lb::Target& target);
  bool admit_connection(uint32_t number, uint32_t made, const lb::Service& service);
  bool end_parked_of(uint32_t service_slot);
  void grant_wishes();
  void overflow(uint32_t number, uint32_t service_slot, Protection bound);
  void end_pending(Exchange& x);
  /// With its attempt, an exchange loses what that counted; most often nothing that was not lost before.
  void end_attempt(Exchange& x) {
    if (x.is_pending || x.is_pending_of_caller || (x.charged_endpoint & x.probe & x.delayed_at) != kNobody)
        [[unlikely]] {
      end_counts(x);
    }
  }
  void end_counts(Exchange& x);
  void end_charges(Exchange& x);
  void end_retry(Exchange& x);
  bool take_retry(Exchange& x);
  time::Millis next_backoff(Exchange& x);
  void report(Exchange& x, uint16_t status, bool is_local = false);

  // http_bulkhead.cc: what callers of a service, and services, leave to each other.
  /// Who is behind a client's address; null: nobody is known there.
  const lb::Caller* caller_of(const lb::Address& client);
  std::optional<Protection> bound_of_caller(Exchange& x, const lb::Service& service);
  std::optional<Protection> pending_bound_of_caller(Exchange& x, const lb::Service& service);
  bool admit_client(Client& client, const lb::Service& service, const lb::Snapshot& snapshot);
  bool has_request_share(const lb::Service& service) const;
  void make_room_for(const lb::Service& service);
  void end_caller(uint32_t& place, lb::CallerBoard::Kind kind);

  // http_response.cc: what the endpoint says.
  void act_on_upstream(uint32_t number, const tcp::Event& event);
  void read_response(uint32_t number);
  void respond(uint32_t number);
  void pass_interim(uint32_t number);
  void begin_tunnel(uint32_t number);
  void pump_response(uint32_t number);
  void pump_tunnel(uint32_t number);
  void end_tunnel(uint32_t number);

  // http_ending.cc: how exchanges end.
  void upstream_failed(uint32_t number, ResponseFlags flags, std::string_view why);
  bool may_try_again(const Exchange& x) const;
  void try_again(uint32_t number, time::Millis after);
  void resume(uint32_t number);
  void fail(uint32_t number, const Reply& reply);
  void reply(uint32_t number, const Reply& reply);
  void finish(uint32_t number);
  void close_exchange(uint32_t number);
  /// @param in_order it is not to be reused, and yet nothing went wrong: a tunnel's end
  void release_upstream(uint32_t number, bool reusable, bool in_order = false);
  void end_upstream(uint32_t upstream, bool in_order = true);
  void record(const Exchange& x);
  bool put(tcp::ConnectionId to, HeadOut& head);
  bool take_written(HeadOut& head);
  After after(const Exchange& x) const;

  // http_info.cc
  std::optional<SessionInfo> info_of(const Client& client) const;
  std::optional<SessionInfo> info_of(const Upstream& upstream) const;
  std::optional<SessionInfo> info_at(uint32_t place) const;

  // http_timers.cc
  void hurry();
  void arm(uint32_t number);
  time::Millis deadline_of(const Exchange& x) const;
  std::optional<time::Millis> fire(uint32_t number);
  void upstream_timed_out(uint32_t number);
  bool may_linger(Client& client) const;
  std::optional<time::Millis> fire_client(uint32_t number);
  void sweep();

  static constexpr uint32_t kSources = 1024;  ///< clients whose part of policies is remembered
  static constexpr uint32_t kLimited = 4096;  ///< buckets of limits of requests that are known here
  static constexpr size_t kRecords = 4096;    ///< in a turn
  static constexpr size_t kLongestPath = 16 << 10;
  static constexpr time::Millis kLookAtLingering = 250;  ///< while it has not taken all

  tcp::Engine& engine_;
  buffer::Pool& pool_;
  const HttpConfig config_;
  HeadSource heads_;           ///< of requests,
  HeadSource response_heads_;  ///< and of responses: clients that are slow are not in their way
  KeptBodies kept_;
  http::HeadWriter writer_;
  Upstreams upstreams_;
  std::unique_ptr<Protections> own_protections_;  ///< null: they are the node's
  Protections* protections_;
  std::unique_ptr<lb::FaultBoard> own_faults_;  ///< null: they are the node's
  lb::FaultBoard* faults_;
  lb::RequestLimiter limiter_;
  lb::RequestBalancer balancer_;
  lb::RouteTable::Scratch* scratch_ = nullptr;  ///< that fits the snapshot
  std::vector<Client> clients_;
  std::vector<uint32_t> free_clients_;
  uint32_t oldest_gathering_ = kNobody;  ///< of clients whose heads are put together
  uint32_t newest_gathering_ = kNobody;
  std::vector<Exchange> exchanges_;
  std::vector<uint32_t> free_exchanges_;
  uint32_t mirrors_ = 0;               ///< of the exchanges
  uint32_t all_delayed_ = 0;           ///< of them, those that a fault has wait,
  std::vector<uint32_t> delayed_;      ///< by the slot of the service that they go to
  const lb::Fault* killer_ = nullptr;  ///< of the attempt that is being made; null: none
  time::Wheel client_wheel_;
  time::Wheel exchange_wheel_;
  http::RequestHead request_;    ///< the one that is looked at
  http::ResponseHead response_;  ///< and the one that is
  EditList edits_;               ///< of the head that is written
  Texts texts_;                  ///< of the request that is routed
  http::Date date_;
  std::array<char, kLongestPath> path_;
  ReceivedRequest received_;
  std::vector<Call> calls_;
  std::vector<Change> changes_;
  std::vector<AccessRecord> records_;
  std::vector<uint32_t> again_;  ///< clients that have more than a turn's share of requests
  std::vector<uint32_t> later_;  ///< those of them that came before, whose turn it is,
  size_t served_ = 0;            ///< of which so many were served
  Turn turn_;
  HttpBooks books_;
  lb::SplitMix64 random_;
  uint64_t epoch_ = 0;     ///< of the last snapshot
  uint32_t to_sweep_ = 0;  ///< upstreams that were not looked at since
  bool records_wanted_ = false;
  bool draining_ = false;
  time::Millis client_idle_ = config_.client_idle;
  uint32_t to_hurry_ = 0;  ///< clients that were not looked at since
  InspectedBodies seen_;   ///< bodies that are looked into as they go by
  lb::SourceCache sources_{kSources};
  uint64_t authorized_since_ = 0;
  uint32_t to_judge_ = 0;  ///< exchanges that were not looked at since policies of access changed
  uint32_t judged_ = 0;    ///< the one that was looked at last
};

}  // namespace weft::proxy
