// SPDX-License-Identifier: Apache-2.0
#include "dns/responder.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "dns/reverse.h"
#include "dns/writer.h"
#include "lb/split_mix.h"

namespace weft::dns {
namespace {

using namespace std::string_view_literals;
using lb::NamedEndpoint;
using lb::NamedService;

constexpr std::string_view kServices = "\3svc"sv;
constexpr std::string_view kNameServer = "\2ns\3dns"sv;
constexpr std::string_view kSchema =
    "\5"
    "1.1.0"sv;
constexpr std::string_view kNoMore = "\7RFC8482\0"sv;  ///< to who asks for anything: RFC 8482, section 4.2
constexpr size_t kMostPointer = 0x3fff;                ///< that a compressed name can point to
constexpr uint16_t kPriority = 0;
constexpr uint16_t kWeight = 100;
/// Targets of SRV records whose addresses are told along.
constexpr size_t kMostTargets = 32;

std::string_view bytes_of(const lb::Ipv4Address& address) {
  return {reinterpret_cast<const char*>(&address), sizeof address};
}
std::string_view bytes_of(const lb::Ipv6Address& address) {
  return {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()};
}

/// "_tcp" or "_udp".
std::optional<lb::Protocol> protocol_of(std::string_view label) {
  return label == "_tcp"   ? std::optional(lb::Protocol::tcp)
         : label == "_udp" ? std::optional(lb::Protocol::udp)
                           : std::nullopt;
}

struct Counts {
  uint16_t answers = 0;
  uint16_t authorities = 0;
  uint16_t additionals = 0;
};

/// Writes header and OPT record around what stands behind the question. @returns the message's length
uint16_t finish(std::span<std::byte> buffer, size_t end, const Query& query, uint16_t flags, Rcode rcode,
                const Counts& counts) {
  const auto code = static_cast<uint16_t>(rcode);
  uint16_t additionals = counts.additionals;
  if (query.has_edns) {
    std::byte* const opt = buffer.data() + end;
    opt[0] = std::byte{0};
    put16(opt + 1, type::opt);
    put16(opt + 3, kMostUdp);
    put32(opt + 5, static_cast<uint32_t>(code >> 4) << 24 | (query.dnssec_ok ? kDnssecOk : 0));
    put16(opt + 9, 0);
    end += kOptRecord;
    ++additionals;
  }
  constexpr uint16_t kKept = flag::opcode | flag::recursion_desired | flag::checking_disabled;
  put16(buffer.data() + 2,
        static_cast<uint16_t>(flag::response | (query.flags & kKept) | flags | (code & flag::rcode)));
  put16(buffer.data() + 4, query.question_end > 0 ? 1 : 0);
  put16(buffer.data() + 6, counts.answers);
  put16(buffer.data() + 8, counts.authorities);
  put16(buffer.data() + 10, additionals);
  return static_cast<uint16_t>(end);
}

/// One answer from the domain.
class Answer {
 public:
  Answer(std::span<std::byte> bytes, const Query& query, const Source& source)
      : query_(query),
        source_(source),
        writer_(bytes, query.question_end),
        domain_at_(static_cast<uint16_t>(
            kHeader + query.starts[query.labels - std::min<uint32_t>(query.labels, source.zone.labels)])) {}

  Rcode rcode() const { return rcode_; }
  bool truncated() const { return truncated_; }
  const Counts& counts() const { return counts_; }
  size_t size() const { return writer_.size(); }

  /// @param depth labels before the domain's
  void from_domain(size_t depth);
  void from_address(const NamedService& service, const lb::Address& address);

 private:
  void from_services(size_t depth);
  void from_service(const NamedService& service, size_t depth);
  void protocol_below(const NamedService& service);
  void host_below(const NamedService& service);
  void port_below(const NamedService& service);
  template <typename A>
  void addresses(std::span<const A> list, uint16_t type);
  void service_records(const NamedService& service, size_t port);
  bool record_with_target(uint16_t type, std::string_view before, const NamedService& service, std::string_view host);
  bool service_record(const NamedService& service, lb::Port port, std::string_view host);
  template <typename List, typename AddressOf>
  void additions(uint16_t owner, const List& all, AddressOf address_of);

  bool asks(uint16_t type) const { return query_.type == type; }
  /// With which of so many to begin: any of them, whatever else is asked in between. Turns themselves would go round in
  /// step with clients that ask for two types at a time.
  size_t first_of(size_t size) const {
    return static_cast<size_t>((lb::SplitMix64::mixed(source_.turn) >> 32) * size >> 32);
  }
  bool answer(uint16_t type, std::initializer_list<std::string_view> data) {
    if (!writer_.record(kHeader, type, kInternet, source_.zone.ttl, data)) {
      truncated_ = true;
      return false;
    }
    ++counts_.answers;
    return true;
  }
  /// The name is there; whether it has records of the type shows.
  void exists() {
    if (asks(type::any)) {
      answer(type::hinfo, {kNoMore});
    }
    if (counts_.answers == 0 && !truncated_) {
      start_of_authority(counts_.authorities);
    }
  }
  void is_missing() {
    rcode_ = Rcode::name_error;
    start_of_authority(counts_.authorities);
  }
  void start_of_authority(uint16_t& count);

  const Query& query_;
  const Source& source_;
  Writer writer_;
  const uint16_t domain_at_;  ///< where the domain's name stands, in the question
  Counts counts_;
  Rcode rcode_ = Rcode::no_error;
  bool truncated_ = false;
};

void Answer::start_of_authority(uint16_t& count) {
  const Part<uint16_t> domain(static_cast<uint16_t>(0xc000 | domain_at_));
  constexpr uint32_t kRefresh = 7200;  // for secondaries, of which there are none
  constexpr uint32_t kRetry = 1800;
  constexpr uint32_t kExpire = 86400;
  const uint32_t ttl = source_.zone.negative_ttl;
  if (writer_.record(domain_at_, type::soa, kInternet, ttl,
                     {kNameServer, domain, "\12hostmaster"sv, domain, Part(source_.serial), Part(kRefresh),
                      Part(kRetry), Part(kExpire), Part(ttl)})) {
    ++count;
  }
}

template <typename A>
void Answer::addresses(std::span<const A> list, uint16_t type) {
  if (!asks(type) || list.empty()) {
    return;
  }
  size_t at = first_of(list.size());
  for (size_t i = 0; i < list.size() && answer(type, {bytes_of(list[at])}); ++i) {
    at = at + 1 < list.size() ? at + 1 : 0;
  }
}

void Answer::from_domain(size_t depth) {
  const Zone& zone = source_.zone;
  if (depth == 0) {
    if (asks(type::soa)) {
      start_of_authority(counts_.answers);
    } else if (asks(type::ns)) {
      answer(type::ns, {kNameServer, Part(static_cast<uint16_t>(0xc000 | domain_at_))});
    }
    return exists();
  }
  const std::string_view top = query_.label(depth - 1);
  if (top == "svc") {
    return from_services(depth);
  }
  if (top == "dns-version" && depth == 1) {
    if (asks(type::txt)) {
      answer(type::txt, {kSchema});
    }
    return exists();
  }
  if (top == "dns" && depth <= 2 && query_.part(0, depth) == kNameServer.substr(depth == 2 ? 0 : 3)) {
    if (depth == 2) {
      addresses(std::span(zone.ipv4), type::a);
      addresses(std::span(zone.ipv6), type::aaaa);
    }
    return exists();
  }
  is_missing();
}

/// At or below "svc".
void Answer::from_services(size_t depth) {
  if (depth == 1) {
    return exists();
  }
  if (depth == 2) {
    return source_.names.has_namespace(query_.part(0, 1)) ? exists() : is_missing();
  }
  const NamedService* const service = source_.names.find(query_.part(depth - 3, depth - 1));
  // Of a headless service without a ready endpoint, nothing is there: so says the specification, section 2.4.1.
  if (service == nullptr || (service->headless && service->endpoints.empty())) {
    return is_missing();
  }
  from_service(*service, depth);
}

void Answer::from_service(const NamedService& service, size_t depth) {
  switch (depth) {
    case 3:
      addresses(std::span(service.ipv4), type::a);
      addresses(std::span(service.ipv6), type::aaaa);
      return exists();
    case 4:
      return query_.label(0).starts_with('_') ? protocol_below(service) : host_below(service);
    case 5:
      return port_below(service);
    default:
      return is_missing();
  }
}

void Answer::protocol_below(const NamedService& service) {
  const auto protocol = protocol_of(query_.label(0));
  const bool any = protocol && std::any_of(service.ports.begin(), service.ports.end(),
                                           [&](const lb::NamedPort& port) { return port.protocol == *protocol; });
  any ? exists() : is_missing();
}

void Answer::host_below(const NamedService& service) {
  const std::span<const NamedEndpoint> endpoints = service.at_host(query_.label(0));
  if (endpoints.empty()) {
    return is_missing();
  }
  for (const NamedEndpoint& each : endpoints) {
    if (each.address.is_ipv4() && asks(type::a)) {
      answer(type::a, {bytes_of(each.address.ipv4())});
    } else if (!each.address.is_ipv4() && asks(type::aaaa)) {
      answer(type::aaaa, {bytes_of(each.address.ipv6())});
    }
    if (truncated_) {
      break;
    }
  }
  exists();
}

void Answer::port_below(const NamedService& service) {
  const auto protocol = protocol_of(query_.label(1));
  const std::string_view name = query_.label(0);
  const auto port = std::find_if(service.ports.begin(), service.ports.end(), [&](const lb::NamedPort& each) {
    return protocol == each.protocol && name.starts_with('_') && name.substr(1) == each.name;
  });
  if (port == service.ports.end()) {
    return is_missing();
  }
  if (asks(type::srv)) {
    service_records(service, static_cast<size_t>(port - service.ports.begin()));
  }
  exists();
}

/// A name below the service's, in full: RFC 2782 forbids pointers in targets. @param host empty: the service itself
/// @returns false: nobody could ask for it, as it is too long
bool Answer::record_with_target(uint16_t type, std::string_view before, const NamedService& service,
                                std::string_view host) {
  const char length = static_cast<char>(host.size());
  const std::string_view host_length(&length, host.empty() ? 0 : 1);
  const size_t target =
      host_length.size() + host.size() + service.name.size() + kServices.size() + source_.zone.domain.size();
  return target <= kMaxName && answer(type, {before, host_length, host, service.name, kServices, source_.zone.domain});
}

bool Answer::service_record(const NamedService& service, lb::Port port, std::string_view host) {
  std::array<char, 6> fixed;
  auto* const to = reinterpret_cast<std::byte*>(fixed.data());
  put16(to, kPriority);
  put16(to + 2, kWeight);
  put16(to + 4, lb::to_host(port));
  return record_with_target(type::srv, {fixed.data(), fixed.size()}, service, host);
}

/// Of each family all or none: half of a set would be taken for the whole (RFC 2181, section 9). What is left out is no
/// loss: the client asks for it. @param all of one host, each with an address; IPv4 first
template <typename List, typename AddressOf>
void Answer::additions(uint16_t owner, const List& all, AddressOf address_of) {
  for (auto first = all.begin(); first != all.end();) {
    const Writer before = writer_;
    const uint16_t told = counts_.additionals;
    const bool is_ipv4 = lb::Address(address_of(*first)).is_ipv4();
    bool fits = true;
    for (; first != all.end() && lb::Address(address_of(*first)).is_ipv4() == is_ipv4; ++first) {
      const lb::Address address = address_of(*first);
      const lb::Ipv4Address four = is_ipv4 ? address.ipv4() : lb::Ipv4Address{};
      const lb::Ipv6Address six = is_ipv4 ? lb::Ipv6Address{} : address.ipv6();
      fits = writer_.record(owner, is_ipv4 ? type::a : type::aaaa, kInternet, source_.zone.ttl,
                            {is_ipv4 ? bytes_of(four) : bytes_of(six)});
      if (!fits) {
        break;
      }
      ++counts_.additionals;
    }
    if (!fits) {
      writer_ = before;
      counts_.additionals = told;
      return;
    }
  }
}

void Answer::service_records(const NamedService& service, size_t port) {
  constexpr size_t kToTarget = 18;  // from a record's beginning: fixed fields, priority, weight, port
  struct Target {
    uint16_t at = 0;
    std::string_view host;
  };
  std::array<Target, kMostTargets> targets;
  size_t told = 0;
  if (!service.headless) {
    const auto at = static_cast<uint16_t>(writer_.size() + kToTarget);
    if (service_record(service, service.ports[port].port, "")) {
      additions(at, service.ipv4, std::identity());
      additions(at, service.ipv6, std::identity());
    }
    return;
  }
  const lb::EndpointPlaces& places = service.by_port[port];
  size_t i = first_of(places.size());
  for (size_t n = 0; n < places.size() && !truncated_; ++n, i = i + 1 < places.size() ? i + 1 : 0) {
    const NamedEndpoint& endpoint = service.endpoints[places[i]];
    const size_t at = writer_.size() + kToTarget;
    // An instance with addresses of both families is one target, unless its ports differ.
    const bool is_new = told == 0 || (targets[told - 1].host != endpoint.host && targets[0].host != endpoint.host);
    if (service_record(service, endpoint.ports[port], endpoint.host) && is_new && told < targets.size() &&
        at <= kMostPointer) {
      targets[told++] = {static_cast<uint16_t>(at), endpoint.host};
    }
  }
  for (const Target& target : std::span(targets).first(told)) {
    additions(target.at, service.at_host(target.host), [](const NamedEndpoint& each) { return each.address; });
  }
}

/// From an address to a name: the service's, or the endpoint's of a headless one. Nothing else is there.
void Answer::from_address(const NamedService& service, const lb::Address& address) {
  if (asks(type::ptr)) {
    const NamedEndpoint* const endpoint = service.endpoint_at(address);
    record_with_target(type::ptr, "", service, endpoint == nullptr ? ""sv : std::string_view(endpoint->host));
  } else if (asks(type::any)) {
    answer(type::hinfo, {kNoMore});
  }
}

/// How many labels the name has before the domain's; nothing: it is not under it.
std::optional<size_t> depth_under(const Zone& zone, const Query& query) {
  if (query.labels < zone.labels) {
    return std::nullopt;
  }
  const size_t depth = query.labels - zone.labels;
  return query.whole_name().substr(query.starts[depth]) == zone.domain ? std::optional(depth) : std::nullopt;
}

bool is_unimplemented(uint16_t asked) {
  return asked == type::opt || asked == type::tkey || asked == type::tsig;
}

}  // namespace

uint16_t respond_with(Rcode rcode, std::span<std::byte> buffer, const Query& query, bool forwards) {
  const size_t end = query.question_end > 0 ? query.question_end : kHeader;
  return finish(buffer, end, query, forwards ? flag::recursion_available : 0, rcode, {});
}

Reply respond(std::span<std::byte> buffer, size_t length, size_t most, Transport transport, const Source& source,
              Query& query) {
  const bool forwards = source.zone.forwards;
  const auto with = [&](Rcode rcode) {
    return Reply{.fate = Fate::answered, .rcode = rcode, .length = respond_with(rcode, buffer, query, forwards)};
  };
  switch (read_query(buffer.first(length), query)) {
    case Reading::good:
      break;
    case Reading::ignored:
      return {.fate = Fate::ignored};
    case Reading::format_error:
      return with(Rcode::format_error);
    case Reading::not_implemented:
      return with(Rcode::not_implemented);
    case Reading::bad_version:
      return with(Rcode::bad_version);
  }
  if (!source.zone.serves(source.client)) {  // an answer to a forged source is no longer than what was sent
    return with(Rcode::refused);
  }
  if (is_unimplemented(query.type)) {
    return with(Rcode::not_implemented);
  }
  if (query.klass != kInternet || query.type == type::axfr || query.type == type::ixfr) {
    return with(Rcode::refused);
  }
  size_t bound = std::min(most, buffer.size());
  if (transport == Transport::udp) {
    bound = std::min<size_t>(bound, query.udp_size);
  }
  bound = std::max<size_t>(bound, query.question_end + kOptRecord) - (query.has_edns ? kOptRecord : 0);
  Answer answer(buffer.first(bound), query, source);
  if (const auto depth = depth_under(source.zone, query)) {
    answer.from_domain(*depth);
  } else {
    const auto address = address_of_reverse(query);
    const lb::NamedService* const owner = address ? source.names.owner_of(*address) : nullptr;
    if (owner == nullptr) {
      return forwards ? Reply{.fate = Fate::forward} : with(Rcode::refused);
    }
    answer.from_address(*owner, *address);
  }
  const bool truncated = answer.truncated() && transport == Transport::udp;
  const auto flags = static_cast<uint16_t>(flag::authoritative | (truncated ? flag::truncated : 0) |
                                           (forwards ? flag::recursion_available : 0));
  return {.fate = Fate::answered,
          .rcode = answer.rcode(),
          .truncated = truncated,
          .cut = answer.truncated(),
          .length = finish(buffer, answer.size(), query, flags, answer.rcode(), answer.counts())};
}

}  // namespace weft::dns
