// SPDX-License-Identifier: Apache-2.0
/// @file A TCP that is slow and simple enough to be right by reading, as another's engine would be to ours: it keeps
/// all bytes for ever, goes back N with segments cut anew each time, probes closed windows with a byte, and
/// acknowledges what a bitmap says. It checks every byte that it is sent, however often.
///
/// One connection. Places count from the SYN on: 0 is the SYN, 1 the first byte, and the FIN follows the last.
#pragma once

#include <optional>
#include <vector>

#include "buffer/heap.h"
#include "tcp_frame.h"
#include "tcp_host.h"

namespace weft::simulation {

struct ReferenceConfig {
  tcp::SocketPair pair;  ///< local: its own
  bool connects = false;
  tcp::Seq first;  ///< of its SYN
  Stream writes;
  uint64_t bytes = 0;  ///< that it writes
  Stream reads;
  uint64_t expected = 0;   ///< bytes that it reads
  uint16_t mss = 1460;     ///< that it can take, and sends
  uint32_t window = 8192;  ///< that it allows
  bool selective_acks = false;
  bool timestamps = false;
  std::optional<uint8_t> shift;  ///< of its windows, if the peer can
  Time retransmits_after = 500ms;
  Time reads_every{};  ///< all that came; 0: at once
};

class Reference {
 public:
  Reference(const ReferenceConfig& config, uint64_t seed);

  /// Throws Violation of what a peer may not send.
  void receive(const Packet& packet, Time now);
  void act(Time now);
  Time due() const;
  /// What it has sent since.
  std::vector<Frame> take_frames() { return std::exchange(frames_, {}); }
  bool is_done() const;

 private:
  void take_acknowledgment(const Packet& packet);
  void take_bytes(const Packet& packet);
  void send(uint64_t from, uint64_t length, Time now);
  void send_what_is_allowed(Time now);
  void acknowledge(Time now);
  void transmit(tcp::Transmission& out, uint64_t from, uint64_t bytes, Time now);
  tcp::Options options(bool with_syn, Time now) const;
  uint64_t end() const { return config_.bytes + 2; }  ///< behind the FIN

  const ReferenceConfig config_;
  Random random_;
  buffer::HeapBuffers buffers_{1, 2048};
  std::vector<Frame> frames_;

  bool peer_known_ = false;
  tcp::Seq peer_first_;
  bool peer_offers_timestamps_ = false;
  bool peer_permits_sack_ = false;
  bool scales_ = false;
  uint8_t peer_shift_ = 0;
  uint16_t peer_mss_ = 536;
  uint32_t recent_ = 0;

  uint64_t acknowledged_ = 0;  ///< of its own places
  uint64_t next_ = 0;          ///< to send
  uint64_t sent_to_ = 0;
  uint64_t allowed_ = 1;  ///< by the peer, up to there
  Time retransmits_at_ = kNever;

  std::vector<bool> came_;       ///< of the peer's places
  uint64_t expects_ = 0;         ///< the first that did not come
  uint64_t read_ = 1;            ///< up to there
  uint64_t edge_ = 0;            ///< that it allows
  std::optional<uint64_t> fin_;  ///< its place
  bool owes_acknowledgment_ = false;
  Time reads_at_ = kNever;
};

}  // namespace weft::simulation
