// SPDX-License-Identifier: Apache-2.0
/// @file From a request's head to an attempt: which rule, which service, which endpoint, which connection.
#include <algorithm>
#include <cstring>
#include <utility>

#include "http/http1.h"
#include "lb/http_choice.h"
#include "lb/http_cors.h"
#include "lb/http_path.h"
#include "lb/http_rewrite.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

constexpr int64_t kLongest = 24 * 3600 * 1000;  // milliseconds

/// As time is kept here: what is longer than a day could turn into what has passed.
time::Millis bounded(std::chrono::milliseconds said) {
  return static_cast<time::Millis>(std::clamp<int64_t>(said.count(), 0, kLongest));
}

constexpr time::Millis kMirrorTimeout = 15'000;

/// What a service does by itself: all to its own endpoints.
const lb::HttpRule kOwnRule;

}  // namespace

uint32_t HttpProxy::open_exchange(uint32_t client) {
  if (free_exchanges_.empty()) {
    ++books_.overflows;
    if (client != kNobody) {
      turn_away(client);
    }
    return kNobody;
  }
  const uint32_t number = free_exchanges_.back();
  free_exchanges_.pop_back();
  Exchange& x = exchanges_[number];
  x.begin();
  x.stage = Exchange::Stage::routing;
  x.client = client;
  x.began = turn_.time;
  x.moved_at = turn_.millis;
  ++books_.requests;
  if (client != kNobody) {
    clients_[client].state = Client::State::busy;
    clients_[client].exchange = number;
    client_wheel_.disarm(client);
    x.pair = clients_[client].pair;
  }
  return number;
}

/// The request is looked at once more. @returns false: it can't be read, though it could before
bool HttpProxy::read_head(const Exchange& x) {
  return http::parse_request(text_of(x.head), config_.limits, request_) == http::Defect::none;
}

/// Precondition: request_ is the exchange's.
void HttpProxy::route(uint32_t number) {
  Exchange& x = exchanges_[number];
  const lb::Service* const listener = turn_.snapshot->find(x.pair.local, x.pair.local_port, lb::Protocol::tcp);
  if (listener == nullptr || listener->http == nullptr) {
    x.keeps_client = false;
    return fail(number, {503, response_flag::no_route, "no service has this address any more"});
  }
  x.listener_slot = listener->slot;
  const std::optional<std::string_view> path = lb::normalize_path(request_.view.path, path_);
  if (!path) {
    x.keeps_client = false;
    return fail(number, {400, response_flag::downstream_protocol_error, "the path is ambiguous"});
  }
  request_.view.path = *path;
  if (listener->authorization != nullptr) {
    if (!authorize(number, *listener, request_.view)) {
      return;
    }
    books_.authorized += x.attempts == 0 && !x.faults_decided ? 1 : 0;  // another attempt is not another request
  }
  if (listener->inspection != nullptr && x.attempts == 0 && !std::exchange(x.listener_inspected, true) &&
      !inspect_request(number, *listener)) {
    return;
  }
  lb::RouteTable::Match match{&kOwnRule, nullptr};
  if (const lb::RouteTable* const routes = listener->http->routes_for(x.pair.remote)) {
    match = routes->find(request_.view, *scratch_);
  }
  if (match.rule == nullptr) {
    return fail(number, {404, response_flag::no_route, "no route matches the request"});
  }
  if (!answer_itself(number, *listener, match)) {
    route_by(number, *listener, match);
  }
}

/// In place of what an endpoint may say of it itself.
void HttpProxy::add_cors(const lb::CorsAnswer& answer) {
  const auto set = [this](std::string_view name, std::string_view value) {
    if (!value.empty()) {
      edits_.add({HeaderEdit::Kind::set, name, value});
    }
  };
  set("access-control-allow-origin", answer.allow_origin);
  set("access-control-allow-credentials", answer.credentials ? "true" : "");
  set("access-control-allow-methods", answer.allow_methods);
  set("access-control-allow-headers", answer.allow_headers);
  set("access-control-expose-headers", answer.expose_headers);
  if (answer.max_age) {
    set("access-control-max-age", texts_.take_number(static_cast<uint64_t>(answer.max_age->count())));
  }
  if (answer.vary_by_origin) {
    edits_.add({HeaderEdit::Kind::add, "vary", "origin"});
  }
  if (!answer.is_allowed) {  // whatever the endpoint says of it
    edits_.add({HeaderEdit::Kind::remove, "access-control-allow-origin", {}});
    edits_.add({HeaderEdit::Kind::remove, "access-control-allow-credentials", {}});
  }
}

/// What needs no endpoint: redirects, and the preflights of CORS. What any response is to say of CORS goes to edits_.
/// @returns whether it was answered
bool HttpProxy::answer_itself(uint32_t number, const lb::Service& listener, const lb::RouteTable::Match& match) {
  const lb::HttpFilters& filters = match.rule->filters;
  edits_.clear();
  if (filters.cors) {
    const lb::CorsAnswer answer = lb::cors_answer(*filters.cors, request_.view, texts_.rest());
    texts_.take_all();
    add_cors(answer);
    if (answer.is_preflight) {
      edits_.add(filters.response);
      reply(number, {.status = 204});
      return true;
    }
  }
  if (filters.redirect) {
    const std::optional<std::string_view> location = lb::redirect_location(
        *filters.redirect, *match.match, request_.view, {.port = lb::to_host(listener.port)}, texts_.rest());
    if (!location) {
      fail(number, {500, response_flag::no_route, "the redirect's location is too long"});
      return true;
    }
    edits_.add({HeaderEdit::Kind::set, "location", *location});
    edits_.add(filters.response);
    reply(number, {.status = filters.redirect->status});
    return true;
  }
  return false;
}

const lb::Service* HttpProxy::backend_of(const lb::BackendPort& port, const Exchange& x) const {
  const uint32_t slot = port.slot_for(x.pair.local.family());
  return slot == lb::BackendPort::kNone ? nullptr : turn_.snapshot->service_at(slot);
}

void HttpProxy::copy_wishes(Exchange& x, const lb::HttpRule& rule) {
  if (const time::Millis request = bounded(rule.request_timeout); request > 0) {
    x.request_deadline = time::to_millis(x.began) + request;
  }
  x.backend_timeout_ms = bounded(rule.backend_timeout);
  if (rule.retry) {
    x.retries.left = rule.retry->attempts;
    x.retries.backoff_ms = bounded(rule.retry->backoff);
    x.retries.least_backoff_ms = bounded(rule.retry->least_backoff);
    for (const uint16_t code : rule.retry->codes) {
      if (code >= 400 && code < 600) {
        x.retries.codes.set(code - 400U);
      }
    }
  }
  x.wishes_known = true;
}

/// Writes the head that goes to the backend, and keeps what its response will need. @returns false: answered
bool HttpProxy::write_heads(uint32_t number, const lb::RouteTable::Match& match, const lb::HttpBackend* backend,
                            const lb::Service& listener) {
  Exchange& x = exchanges_[number];
  const lb::HttpFilters& filters = match.rule->filters;
  edits_.clear();
  edits_.add(filters.request);
  const std::optional<lb::Rewrite>& rewrite = rewrite_of(*match.rule, backend);
  if (backend != nullptr) {
    edits_.add(backend->filters.request);
  }
  static const lb::Rewrite kAsItCame;
  static const lb::HttpMatch kNoMatch;
  const std::optional<std::string_view> path = lb::rewritten_target(
      rewrite ? *rewrite : kAsItCame, match.match == nullptr ? kNoMatch : *match.match, request_.view, texts_.rest());
  if (!path) {
    fail(number, {414, response_flag::downstream_protocol_error, "the rewritten target is too long"});
    return false;
  }
  texts_.take(*path);
  std::string_view authority = request_.authority;
  if (rewrite && !rewrite->host.empty()) {
    authority = rewrite->host;
  }
  RequestWriting writing{.head = &request_,
                         .path = *path,
                         .authority = authority,
                         .vip = x.pair.local,
                         .edits = &edits_,
                         .marks = &config_.marks,
                         .client = x.pair.remote,
                         .at_edge = listener.http->at_edge,
                         .random = {random_(), random_(), random_()}};
  const lb::HttpField* const id = listener.http->at_edge ? nullptr : request_.fields.find(http::Name::x_request_id);
  if (id != nullptr) {
    x.request_id.set(id->value);
  } else {
    x.request_id.set(request_name(writing.random[0], writing.random[1]).view());
  }
  write_request(writer_, writing);
  if (!take_written(x.request)) {
    fail(number, {503, response_flag::upstream_overflow, "no packet buffer is left"});
    return false;
  }
  return true;
}

/// Response edits of the rule and of its backend, after those in edits_.
bool HttpProxy::keep_response_edits(Exchange& x, const lb::HttpRule& rule, const lb::HttpBackend* backend) {
  edits_.add(rule.filters.response);
  if (backend != nullptr) {
    edits_.add(backend->filters.response);
  }
  if (edits_.empty()) {
    x.response_edits = {};
    return true;
  }
  buffer::Buffer* const buffer = pool_.take();
  x.response_edits = buffer == nullptr ? buffer::Slice() : buffer::Slice(buffer, 0, 0);
  if (buffer == nullptr || edits_.pack(x.response_edits)) {
    return buffer != nullptr;
  }
  x.response_edits = heads_.spare();  // Gateway API allows for values of 4,096 characters
  return x.response_edits.buffer() != nullptr && edits_.pack(x.response_edits);
}

void HttpProxy::route_by(uint32_t number, const lb::Service& listener, const lb::RouteTable::Match& match) {
  Exchange& x = exchanges_[number];
  const lb::HttpRule& rule = *match.rule;
  const bool is_first = !x.wishes_known;
  if (is_first) {
    copy_wishes(x, rule);
    x.route.set(rule.route);
  }
  const lb::HttpBackend* backend = nullptr;
  const lb::Service* service = &listener;
  if (&rule != &kOwnRule) {
    if (rule.session && rule.backends.size() > 1) {
      backend = backend_of_session(x, rule);
    }
    if (backend == nullptr && x.faults_decided && x.attempts == 0 && x.backend < rule.backends.size() &&
        rule.route.starts_with(x.route.view())) [[unlikely]] {
      backend = &rule.backends[x.backend];  // whose fault it was that delayed it
    }
    if (backend == nullptr) {
      backend = lb::choose_backend(rule, random_());
    }
    x.backend = static_cast<uint8_t>(backend == nullptr ? 0 : backend - rule.backends.data());
    service = backend == nullptr ? nullptr : backend_of(backend->port, x);
    if (service == nullptr) {  // Gateway API: its share of the requests fails
      return fail(number, {500, response_flag::no_route, "the route leads to no service that takes its requests"});
    }
  }
  x.backend_slot = service->slot;
  x.is_edited = is_edited(rule, backend);
  x.received = 0;
  if (service->authorization != nullptr && (service != &listener || x.is_edited) &&
      !authorize_received(number, *service, match, backend)) {
    return;
  }
  if (service->inspection != nullptr && service->inspection != listener.inspection &&
      !inspect_for_backend(number, *service)) {
    return;
  }
  if (is_first && !service->request_policy().limits.empty() && !is_within_limits(number, *service, rule)) {
    return;
  }
  const bool has_faults = listener.faults != nullptr || service->faults != nullptr;
  if (has_faults && !pass_faults(number, listener, *service, rule)) [[unlikely]] {
    return;
  }
  const lb::Target* const target = choose_endpoint(x, *service, rule);
  if (target == nullptr) {
    return fail(number, {503, response_flag::no_healthy_upstream,
                         x.decided_by == Protection::all_ejected ? "all endpoints of the service are ejected"
                                                                 : "the service has no endpoint that is ready"});
  }
  if (!keep_response_edits(x, rule, backend) || !write_heads(number, match, backend, listener)) {
    if (x.stage == Exchange::Stage::routing) {
      fail(number, {503, response_flag::upstream_overflow, "no packet buffer is left"});
    }
    return;
  }
  killer_ = has_faults ? killer_of(x, listener, *service, rule, *target) : nullptr;
  x.is_dead = killer_ != nullptr;
  if (x.attempts == 0) {  // another attempt is not another request
    x.mirrors =
        static_cast<uint8_t>(rule.filters.mirrors.size() + (backend == nullptr ? 0 : backend->filters.mirrors.size()));
    x.kept.most = x.mirrors > 0 || x.retries.left > 0 ? KeptBody::kLong : KeptBody::kShort;
  }
  attempt(number, *service, *target);
}

/// By what the client brings of an earlier response, if that endpoint is still one for requests; else by the service's
/// balancing. What the client is to bring next time goes to edits_.
const lb::Target* HttpProxy::choose_endpoint(Exchange& x, const lb::Service& service, const lb::HttpRule& rule) {
  lb::SessionToken token{.begun_s = wall_clock_s()};
  const lb::Target* target = rule.session ? target_of_session(x, service, *rule.session, token) : nullptr;
  const bool bounds_endpoints = service.request_policy().breaker.bounds_endpoints();
  if (target != nullptr &&
      ((bounds_endpoints && is_full(service, *target)) || !balancer_.admits(service, target->slot, turn_.millis))) {
    target = nullptr;
  } else if (target != nullptr && balancer_.took_probe()) {
    x.probe = target->slot;
  }
  if (target == nullptr) {
    token.begun_s = wall_clock_s();
    lb::RequestBalancer::Asked asked{
        .request = &request_.view, .client = x.pair.remote, .tried = x.tried.slots(), .now = turn_.millis};
    asked.cookie_hash = begin_cookie(service.request_policy(), asked);
    target = pick_endpoint(x, service, asked);
  }
  if (target != nullptr && rule.session) {
    renew_session(service, *target, *rule.session, token);
  }
  return target;
}

/// By which the client's packets come: the endpoint is most often to be found the same way.
uint8_t HttpProxy::path_of(const Exchange& x) const {
  const tcp::Connection* const client = x.client == kNobody ? nullptr : engine_.look(clients_[x.client].id);
  return client == nullptr ? uint8_t{0} : client->path;
}

void HttpProxy::attempt(uint32_t number, const lb::Service& service, const lb::Target& target) {
  Exchange& x = exchanges_[number];
  const lb::RequestPolicy& policy = service.request_policy();
  if (!admit(number, service, target)) {
    return;
  }
  ++x.attempts;
  x.endpoint_slot = target.slot;
  x.endpoint = target.address;
  x.endpoint_port = target.port;
  x.kept_next = x.kept.first;
  x.tried_at = x.moved_at = turn_.millis;
  x.try_deadline = x.backend_timeout_ms > 0 ? std::optional(turn_.millis + x.backend_timeout_ms) : std::nullopt;
  x.park_for = bounded(policy.idle_timeout);
  x.most_served = policy.max_requests_per_connection;
  x.is_watched = policy.outlier.enabled;
  balancer_.begin(target.slot);
  for (uint32_t parked = x.is_dead ? Upstreams::kNone : upstreams_.take_parked(target.slot); parked != Upstreams::kNone;
       parked = upstreams_.take_parked(target.slot)) {
    const tcp::ConnectionId id = upstreams_[parked].id;
    if (engine_.is_open(id) && engine_.readable(id) == 0 && !engine_.is_at_end(id)) {
      ++books_.reused;
      x.reused = true;
      if (!http::is_idempotent(x.method) && x.retries.left == 0 && x.mirrors == 0) {
        forget_kept(x);  // if the endpoint has just closed the connection, it may have done what was asked
      }
      return use(number, parked);
    }
    end_upstream(parked);  // it has had its end, of which there will be an event, or has
  }
  x.reused = false;
  make_room_for(service);
  uint32_t made = upstreams_.make(service.slot, target.slot);
  if (const uint32_t oldest = upstreams_.oldest_parked(); made == Upstreams::kNone && oldest != Upstreams::kNone) {
    end_upstream(oldest);  // it waits for a request that may not come; this one is there
    made = upstreams_.make(service.slot, target.slot);
  }
  if (made == Upstreams::kNone) {
    balancer_.end(target.slot);
    x.endpoint_slot = kNobody;
    ++books_.overflows;
    return fail(number, {503, response_flag::upstream_overflow, "no connection to an endpoint is left"});
  }
  if (!admit_connection(number, made, service)) {
    return;
  }
  ++books_.connections;
  x.stage = Exchange::Stage::calling;
  x.upstream = made;
  x.connect_deadline = turn_.millis + bounded(policy.connect_timeout);
  Upstream& upstream = upstreams_[made];
  upstream.exchange = number;
  upstream.began_at = upstream.moved_at = turn_.millis;
  changes_.push_back({.what = Change::What::began, .service_slot = service.slot, .endpoint_slot = target.slot});
  if (x.is_dead) [[unlikely]] {
    note_fault(x, *killer_, lb::Injected::dead);
  } else {
    calls_.push_back({.number = made,
                      .generation = upstream.generation,
                      .endpoint = target.address,
                      .port = target.port,
                      .path = path_of(x)});
  }
  arm(number);
}

bool HttpProxy::awaits(const Call& call) const {
  const Upstream& upstream = upstreams_[call.number];
  return upstream.state == Upstream::State::calling && upstream.generation == call.generation && !upstream.called;
}

void HttpProxy::connect(const Call& call, const tcp::SocketPair& pair, const lb::Snapshot& snapshot, time::Time now,
                        uint8_t path) {
  turn(snapshot, now);
  Upstream& upstream = upstreams_[call.number];
  upstream.pair = pair;
  upstream.called = true;
  const auto id = engine_.connect(pair, ConnectionUser{Role::http_upstream, call.number}.value(), now, path);
  if (!id) {
    return give_up(call, snapshot, now);
  }
  engine_.assign(*id, upstream.service_slot);  // admit_connection() has asked
  upstream.id = *id;
  upstream.state = Upstream::State::busy;
  use(upstream.exchange, call.number);
}

void HttpProxy::give_up(const Call& call, const lb::Snapshot& snapshot, time::Time now) {
  turn(snapshot, now);
  ++books_.overflows;
  const uint32_t exchange = upstreams_[call.number].exchange;
  fail(exchange, {503, response_flag::upstream_overflow, "no port is left to connect from"});
}

/// Precondition: nobody else uses the connection.
void HttpProxy::use(uint32_t number, uint32_t upstream) {
  Exchange& x = exchanges_[number];
  x.upstream = upstream;
  x.stage = Exchange::Stage::asking;
  upstreams_[upstream].exchange = number;
  ++upstreams_[upstream].served;
  pump_request(number);
  if (exchanges_[number].stage == Exchange::Stage::asking) {
    arm(number);
  }
}

/// What there is of the request goes on, as far as there is room.
void HttpProxy::pump_request(uint32_t number) {
  Exchange& x = exchanges_[number];
  if (x.stage == Exchange::Stage::tunnel) {
    return pump_tunnel(number);
  }
  if (x.upstream == kNobody || upstreams_[x.upstream].state != Upstream::State::busy) {
    return;
  }
  if (x.seen_request != kNobody && !inspect_body(number, lb::Signature::Message::request)) {
    return;
  }
  const tcp::ConnectionId to = upstreams_[x.upstream].id;
  if (!put(to, x.request)) {
    return;
  }
  for (; x.kept_next != KeptBody::kNone; x.kept_next = kept_.after(x.kept_next)) {
    if (!engine_.write(to, kept_[x.kept_next].share())) {
      return;
    }
  }
  if (!x.request_body.done() && x.client != kNobody) {
    const uint64_t before = x.request_body.moved();
    Keeping keeping{kept_, x.kept};
    const Body::State state = x.request_body.move(engine_, clients_[x.client].id, to, &keeping);
    if (x.request_body.moved() != before) {
      x.moved_at = turn_.millis;
    }
    x.waits_for_client = state == Body::State::waiting && (!x.expects_continue || x.request_body.moved() > 0);
    if (state == Body::State::malformed) {
      ++books_.defects[static_cast<size_t>(x.request_body.defect())];
      x.keeps_client = false;
      return fail(number, {400, response_flag::downstream_protocol_error, http::to_string(x.request_body.defect())});
    }
    if (state == Body::State::cut) {
      x.keeps_client = false;
      return fail(number, {400, response_flag::downstream_termination, "the request's body is cut off"});
    }
  }
  if (x.mirrors > 0 && x.request_body.done()) {
    start_mirrors(number);
  }
}

/// No other attempt will be made. What is still on its way to the endpoint stays.
void HttpProxy::forget_kept(Exchange& x) {
  x.kept.is_whole = false;
  if (x.kept_next == KeptBody::kNone) {
    kept_.forget(x.kept);
  }
}

/// Once the whole request is known, copies of it go to other services; what they answer is thrown away.
void HttpProxy::start_mirrors(uint32_t number) {
  exchanges_[number].mirrors = 0;
  if (!exchanges_[number].kept.is_whole) {
    ++books_.mirrors_left_out;
    return;
  }
  const lb::Service* listener = turn_.snapshot->service_at(exchanges_[number].listener_slot);
  const lb::RouteTable* const routes = listener == nullptr || listener->http == nullptr
                                           ? nullptr
                                           : listener->http->routes_for(exchanges_[number].pair.remote);
  if (routes == nullptr || !read_head(exchanges_[number])) {
    return;
  }
  const std::optional<std::string_view> path = lb::normalize_path(request_.view.path, path_);
  if (!path) {
    return;
  }
  request_.view.path = *path;
  const lb::RouteTable::Match match = routes->find(request_.view, *scratch_);
  if (match.rule == nullptr) {
    return;
  }
  const auto start_those = [&](const std::vector<lb::Mirror>& mirrors) {
    for (const lb::Mirror& mirror : mirrors) {
      if (lb::is_mirrored(mirror.fraction, random_())) {
        start_mirror(number, match, mirror, *listener);
      }
    }
  };
  start_those(match.rule->filters.mirrors);
  if (const size_t backend = exchanges_[number].backend; backend < match.rule->backends.size()) {
    start_those(match.rule->backends[backend].filters.mirrors);
  }
}

void HttpProxy::start_mirror(uint32_t of, const lb::RouteTable::Match& match, const lb::Mirror& mirror,
                             const lb::Service& listener) {
  const lb::Service* const service = backend_of(mirror.backend, exchanges_[of]);
  if (service == nullptr) {
    return;
  }
  if (service->authorization != nullptr) {
    const std::optional<lb::HttpRequest> received = received_.make(request_.view, match.match, *match.rule, nullptr);
    if (!received || judge(*service, exchanges_[of].pair.remote, *received).denied) {
      ++books_.mirrors_left_out;
      return;
    }
  }
  if (service->inspection != nullptr && service->inspection != listener.inspection) {
    ++books_.mirrors_left_out;  // nobody has looked into it for this service
    return;
  }
  // One whose answers do not come has a part of what there is, and others go on.
  const uint32_t number = mirrors_ < std::max(config_.exchanges / 8, 1U) ? open_exchange(kNobody) : kNobody;
  if (number == kNobody) {
    ++books_.mirrors_left_out;
    return;
  }
  ++mirrors_;
  --books_.requests;  // it is nobody's
  Exchange& x = exchanges_[number];
  const Exchange& original = exchanges_[of];
  x.is_mirror = true;
  x.method = original.method;
  x.pair = original.pair;
  x.listener_slot = original.listener_slot;
  x.backend_slot = service->slot;
  x.head = original.head.share();
  x.kept.most = original.kept.most;
  for (uint32_t i = original.kept.first; i != KeptBody::kNone; i = kept_.after(i)) {
    kept_.keep(x.kept, kept_[i].share());
  }
  if (!x.kept.is_whole) {
    ++books_.mirrors_left_out;
    return close_exchange(number);
  }
  x.request_deadline = turn_.millis + kMirrorTimeout;
  edits_.clear();
  texts_.clear();
  const lb::Target* const target =
      pick_endpoint(x, *service, {.request = &request_.view, .client = original.pair.remote, .now = turn_.millis});
  if (target == nullptr || !write_heads(number, match, nullptr, listener)) {
    if (exchanges_[number].stage != Exchange::Stage::free) {
      close_exchange(number);
    }
    return;
  }
  ++books_.mirrored;
  attempt(number, *service, *target);
}

}  // namespace weft::proxy
