// SPDX-License-Identifier: Apache-2.0
/// @file The pipeline of one address family: its flows, and what happens to its packets.
///
/// In eight files, each of which instantiates what it defines: known.cc for packets of known flows, admit.cc for what
/// begins flows and ends them, way.cc for their next hops, recovery.cc for replies soon after a start, names.cc for
/// queries to weft's own name server, access.cc for policies of access, faults.cc for what is injected on purpose,
/// exceptions.cc for everything else. See pipeline.h for the contract.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "flow/table.h"
#include "l4/burst.h"
#include "l4/context.h"
#include "l4/pass.h"
#include "l4/shares.h"
#include "lb/decision.h"
#include "packet/headers.h"

namespace weft::l4 {

template <typename Key>
class FamilyPipeline {
 public:
  using Address = typename Key::Address;
  using Flow = flow::Flow<Key>;
  using Table = flow::FlowTable<Key>;

  FamilyPipeline(Context& context, uint32_t flows)
      : context_(context),
        flows_(flows, context.config.timeouts, context.config.seed),
        shares_(flows_.capacity(), context.config.max_services) {}

  // Passes over the packets of a burst, each ahead of the next one's memory. The last two are for packets that have no
  // flow.
  void prefetch(Burst& burst, uint32_t i) {
    burst.hashes[i] = hash_of(packet::key_of<Key>(burst.parsed[i]), context_.config.seed);
    flows_.prefetch(burst.hashes[i]);
  }
  void nominate(Burst& burst) {
    for (uint32_t i = 0; i < burst.size; ++i) {
      if (is_mine(burst.parsed[i])) [[likely]] {
        burst.nominees[i] = flows_.nominate(burst.hashes[i]);
      }
    }
  }
  /// Packets that have no flow are left as they are, and noted in the burst.
  void forward(Burst& burst, const View& view);
  /// The same while any service has faults.
  void forward_with_faults(Burst& burst, const View& view);
  lb::Decision decide(const Burst& burst, uint32_t i, const View& view) const;
  void admit(Burst& burst, uint32_t i, const View& view, const lb::Decision& decision);

  /// A packet that is neither TCP nor UDP, or not whole.
  void except(Burst& burst, uint32_t i, const View& view);

  /// What another worker has told this one.
  void note(const Note& note, time::Millis now);
  void renew(const lb::Snapshot& snapshot);
  void sweep(uint32_t budget, const View& view);
  /// Gives flows that hold retired next hops those of their routes, looking at `count` records from record `from` on.
  /// @returns where to go on; 0 at the end
  uint32_t renew_hops(uint32_t from, uint32_t count, const View& view);
  /// Ends flows that the policies of access of now forbid, looking at records as above. @returns where to go on
  uint32_t judge_flows(uint32_t from, uint32_t count, const View& view);

  const Table& flows() const { return flows_; }
  Table& flows() { return flows_; }

 private:
  /// One packet on its way: the burst's arrays at one index. No copy of anything: most packets need little of it.
  class Packet {
   public:
    Packet(Burst& burst, uint32_t i) : burst_(burst), i_(i) {}

    Frame& frame() const { return burst_.frames[i_]; }
    packet::Parsed& parsed() const { return burst_.parsed[i_]; }
    Key& key() const { return packet::key_of<Key>(burst_.parsed[i_]); }
    uint64_t& hash() const { return burst_.hashes[i_]; }
    uint32_t& ports() const { return burst_.ports[i_]; }
    uint8_t ingress() const { return burst_.ingress[i_]; }
    bool taken_over() const { return burst_.taken_over; }
    uint8_t& egress() const { return burst_.egress[i_]; }
    uint8_t& owner() const { return burst_.owners[i_]; }
    uint32_t& listener() const { return burst_.listeners[i_]; }

    std::byte* ip() const { return frame().data + packet::kIpOffset; }
    std::byte* transport() const { return frame().data + parsed().l4_offset; }
    std::span<std::byte> bytes() const { return {frame().data, frame().length}; }
    std::span<std::byte> buffer() const { return {frame().data, size_t{frame().length} + frame().room}; }
    bool is_fragment() const { return parsed().kind == packet::Kind::fragment; }
    bool has_transport_header() const { return !is_fragment() || parsed().has_ports; }
    bool ends_here() const {
      if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
        return packet::view<packet::Ipv4Header>(ip())->time_to_live <= 1;
      } else {
        return packet::view<packet::Ipv6Header>(ip())->hop_limit <= 1;
      }
    }

   private:
    Burst& burst_;
    uint32_t i_;
  };
  /// Where a new flow goes, and how.
  struct Way {
    flow::Kind kind = flow::Kind::nat;
    const lb::Service* service = nullptr;
    const lb::Target* target = nullptr;
  };
  using Refusal = typename Table::Refusal;
  using Ref = flow::Ref;

  static bool is_mine(const packet::Parsed& parsed) {
    return parsed.kind == packet::Kind::transport && parsed.family == lb::family_of<Address>;
  }

  // known.cc; those that say whether there is a flow do nothing if there is none
  bool forward(Packet packet, Ref nominee, const View& view, Verdict& verdict);
  bool forward_one(Packet packet, Ref nominee, const View& view, Verdict& verdict);
  bool forward_odd(Packet packet, Ref ref, const View& view, Verdict& verdict);
  Verdict translate(Packet packet, Flow& flow, flow::Direction direction, const View& view);
  Verdict tunnel(Packet packet, const lb::Address& end, flow::Kind kind, uint16_t& hop, const View& view);
  template <typename End>
  Verdict tunnel_to(Packet packet, End end, flow::Kind kind, uint16_t& hop_number, const View& view);
  Verdict end_with_reset(Packet packet, Flow& flow, Verdict verdict, const View& view);
  void clamp_segment_size(Packet packet, const Key& request, const View& view);
  bool must_move(Packet packet, const Flow& flow, lb::Fate fate) const;
  void count_tunneled(Packet packet, Flow& flow, time::Millis now);
  void count(Packet packet, Flow& flow, flow::Direction direction, time::Millis now);

  // admit.cc
  Verdict admit(Packet packet, const lb::Decision& decision, const View& view);
  static Verdict deliver(Packet packet, uint32_t listener);
  Verdict begin(Packet packet, const Way& way, const View& view);
  Verdict begin_tunnel(Packet packet, const Way& way, const View& view);
  Verdict by_hash_or(Verdict verdict, Packet packet, const Way& way, const View& view);
  const lb::Target* home_of(Packet packet, const lb::Decision& decision, const View& view);
  Verdict bound(Packet packet, const lb::Service& service, const View& view);
  Verdict began(Packet packet, Ref ref, const Way& way, const View& view);
  bool steer(const Flow& flow, Note::What what, const View& view);
  void forget(const Flow& flow, const View& view);
  void settle(const Flow& flow);

  // way.cc
  uint16_t way_to(const lb::Address& address, uint8_t ingress, const View& view);
  const NextHop& renew(uint16_t& hop, const lb::Address& address, const View& view);
  const NextHop& renew(Flow& flow, flow::Direction direction, const View& view);

  // recovery.cc
  bool recover(Packet packet, const View& view, Verdict& verdict);
  Verdict send_by_hash(Packet packet, const Key& request, const View& view);

  // access.cc
  Verdict deny(Packet packet, const lb::Service& service, const View& view);
  bool has_own_port(const Flow& flow) const;

  // faults.cc
  bool is_spoiled(Packet packet, Ref nominee, const View& view, Verdict& verdict);
  bool is_reset_by_fault(Packet packet, const lb::Service& service, const View& view);

  // names.cc
  Verdict answer_name(Packet packet, const View& view);

  // exceptions.cc
  Verdict except(Packet packet, const View& view);
  Verdict fragment(Packet packet, const View& view);
  Verdict icmp(Packet packet, const View& view);
  std::optional<Verdict> unfit_to_forward(Packet packet) const;
  Verdict icmp_error(Packet packet, const View& view);
  static Verdict deliver_error(Packet packet);
  Verdict stray(Packet packet, const View& view);
  Verdict refuse(Packet packet, Verdict reason, const View& view);
  Verdict answer_too_big(Packet packet, size_t mtu, const View& view);
  Verdict answer(Packet packet, size_t length, Verdict verdict, const View& view);
  Verdict hand_over(Packet packet, uint32_t owner);
  Verdict pass(Packet packet, const View& view);
  Claim claim_of(Packet packet) const;
  static bool is_neighbour_discovery(Packet packet);
  /// Where an answer to the packet goes.
  const NextHop& back(Packet packet, const View& view) {
    return view.forwarding[way_to(packet.key().source, packet.ingress(), view)];
  }
  /// Precondition: the hop is in force. Whoever calls has asked, before anything was written or counted.
  static Verdict send(Packet packet, const NextHop& hop, Verdict verdict) {
    std::memcpy(packet.frame().data, hop.addresses.data(), hop.addresses.size());
    packet.egress() = hop.port;
    return verdict;
  }
  bool can_be_client(const Address& address, const lb::Snapshot& snapshot) const;

  uint32_t self() const { return context_.config.worker; }
  bool alone() const { return context_.config.workers == 1; }

  Context& context_;
  Table flows_;
  Shares shares_;
};

}  // namespace weft::l4
