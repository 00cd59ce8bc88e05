// SPDX-License-Identifier: Apache-2.0
#include "packet/extensions.h"

#include "packet/headers.h"

namespace weft::packet {
namespace {

bool is_extension(lb::Protocol protocol) {
  return protocol == ip_protocol::hop_by_hop || protocol == ip_protocol::routing || protocol == ip_protocol::fragment ||
         protocol == ip_protocol::destination_options;
}

}  // namespace

ExtensionChain walk_extensions(std::span<const std::byte> packet) {
  using End = ExtensionChain::End;
  ExtensionChain chain{.protocol = view<Ipv6Header>(packet.data())->next_header, .offset = sizeof(Ipv6Header)};
  for (size_t count = 0; is_extension(chain.protocol); ++count) {
    // Hop-by-hop options stand first or nowhere (section 4.1). A second fragment header would be a fragment of a
    // fragment.
    if (count == kMaxExtensions || (chain.protocol == ip_protocol::hop_by_hop && count > 0) ||
        (chain.protocol == ip_protocol::fragment && chain.is_fragment)) {
      chain.end = End::bad;
      return chain;
    }
    if (chain.offset + sizeof(Ipv6Extension) > packet.size()) {
      chain.end = End::cut;
      return chain;
    }
    const auto* extension = view<Ipv6Extension>(packet.data() + chain.offset);
    const bool fragment = chain.protocol == ip_protocol::fragment;
    const size_t end = chain.offset + (fragment ? sizeof(Ipv6Fragment) : (size_t{extension->length} + 1) * 8);
    if (end > sizeof(Ipv6Header) + kMaxExtensionBytes) {
      chain.end = End::bad;
      return chain;
    }
    if (end > packet.size()) {
      chain.end = End::cut;
      return chain;
    }
    // With segments left the packet is to go elsewhere first. Type 0 is deprecated (RFC 5095) and not worth a look.
    if (chain.protocol == ip_protocol::routing && (extension->type == 0 || extension->segments_left > 0)) {
      return chain;
    }
    chain.protocol = extension->next_header;
    chain.offset = static_cast<uint16_t>(end);
    if (fragment) {
      const auto* header = view<Ipv6Fragment>(packet.data() + end - sizeof(Ipv6Fragment));
      chain.is_fragment = true;
      chain.more_fragments = (header->offset_and_flags & kMoreFragments6) != 0;
      chain.fragment_offset = swap16(header->offset_and_flags) & kFragmentOffset6;
      chain.fragmentable_from = chain.offset;
      chain.fragment_id = header->identification;
      if (chain.fragment_offset > 0) {
        chain.end = End::later_fragment;
        return chain;
      }
    }
  }
  return chain;
}

}  // namespace weft::packet
