// SPDX-License-Identifier: Apache-2.0
/// @file What metrics call the eBPF programs' counters.
#include "bpf/loader.h"

namespace weft::bpf {

static_assert(WEFT_COUNTERS <= WEFT_MAX_COUNTERS);

std::string_view to_string(weft_counter counter) {
  switch (counter) {
    case WEFT_FROM_POD_REDIRECTED_REQUEST:
      return "from_pod_redirected_request";
    case WEFT_FROM_POD_REDIRECTED_FRAGMENT:
      return "from_pod_redirected_fragment";
    case WEFT_FROM_POD_REDIRECTED_ERROR:
      return "from_pod_redirected_error";
    case WEFT_FROM_POD_REDIRECTED_REPLY:
      return "from_pod_redirected_reply";
    case WEFT_FROM_POD_PASSED:
      return "from_pod_passed";
    case WEFT_FROM_POD_PASSED_DIRECT:
      return "from_pod_passed_direct";
    case WEFT_FROM_POD_PASSED_NOT_IP:
      return "from_pod_passed_not_ip";
    case WEFT_FROM_POD_PASSED_LINK:
      return "from_pod_passed_link";
    case WEFT_FROM_POD_PASSED_OFF:
      return "from_pod_passed_off";
    case WEFT_FROM_POD_DROPPED_SPOOFED:
      return "from_pod_dropped_spoofed";
    case WEFT_FROM_POD_DROPPED_MALFORMED:
      return "from_pod_dropped_malformed";
    case WEFT_FROM_POD_DROPPED_NO_WORKER:
      return "from_pod_dropped_no_worker";
    case WEFT_FROM_POD_DROPPED_TOO_LONG:
      return "from_pod_dropped_too_long";
    case WEFT_FROM_NIC_REDIRECTED_REQUEST:
      return "from_nic_redirected_request";
    case WEFT_FROM_NIC_REDIRECTED_FRAGMENT:
      return "from_nic_redirected_fragment";
    case WEFT_FROM_NIC_REDIRECTED_ERROR:
      return "from_nic_redirected_error";
    case WEFT_FROM_NIC_REDIRECTED_REPLY:
      return "from_nic_redirected_reply";
    case WEFT_FROM_NIC_DECAPSULATED:
      return "from_nic_decapsulated";
    case WEFT_FROM_NIC_PASSED:
      return "from_nic_passed";
    case WEFT_FROM_NIC_PASSED_TUNNEL:
      return "from_nic_passed_tunnel";
    case WEFT_FROM_NIC_PASSED_NOT_IP:
      return "from_nic_passed_not_ip";
    case WEFT_FROM_NIC_PASSED_LINK:
      return "from_nic_passed_link";
    case WEFT_FROM_NIC_PASSED_OFF:
      return "from_nic_passed_off";
    case WEFT_FROM_NIC_DROPPED_MALFORMED:
      return "from_nic_dropped_malformed";
    case WEFT_FROM_NIC_DROPPED_NO_WORKER:
      return "from_nic_dropped_no_worker";
    case WEFT_FROM_NIC_DROPPED_TOO_LONG:
      return "from_nic_dropped_too_long";
    case WEFT_FROM_NIC_DROPPED_DECAPSULATION:
      return "from_nic_dropped_decapsulation";
    case WEFT_FROM_HOST_REDIRECTED_REQUEST:
      return "from_host_redirected_request";
    case WEFT_FROM_HOST_REDIRECTED_FRAGMENT:
      return "from_host_redirected_fragment";
    case WEFT_FROM_HOST_REDIRECTED_ERROR:
      return "from_host_redirected_error";
    case WEFT_FROM_HOST_DROPPED_NOT_MESH:
      return "from_host_dropped_not_mesh";
    case WEFT_FROM_HOST_DROPPED_MALFORMED:
      return "from_host_dropped_malformed";
    case WEFT_FROM_HOST_DROPPED_NO_WORKER:
      return "from_host_dropped_no_worker";
    case WEFT_TO_POD_REDIRECTED:
      return "to_pod_redirected";
    case WEFT_TO_POD_REDIRECTED_TUNNEL:
      return "to_pod_redirected_tunnel";
    case WEFT_TO_POD_DECAPSULATED:
      return "to_pod_decapsulated";
    case WEFT_TO_POD_PASSED:
      return "to_pod_passed";
    case WEFT_TO_POD_PASSED_NOT_IP:
      return "to_pod_passed_not_ip";
    case WEFT_TO_POD_PASSED_LINK:
      return "to_pod_passed_link";
    case WEFT_TO_POD_DROPPED_MALFORMED:
      return "to_pod_dropped_malformed";
    case WEFT_TO_POD_DROPPED_NO_MEMORY:
      return "to_pod_dropped_no_memory";
    case WEFT_TO_POD_DROPPED_DECAPSULATION:
      return "to_pod_dropped_decapsulation";
    case WEFT_COUNTERS:
      break;
  }
  return "unknown";
}

}  // namespace weft::bpf
