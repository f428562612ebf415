//! Messages of the Container Runtime Interface v1 (staging/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto), and the few of containerd's
//! own API that are used beside it: the fields this crate sends or reads, under their numbers. Others are skipped when read.

mod container;
mod containerd;
mod image;
mod sandbox;
mod status;
mod streams;

use prost::Message;

pub(crate) use container::*;
pub(crate) use containerd::*;
pub(crate) use image::*;
pub(crate) use sandbox::*;
pub(crate) use status::*;
pub(crate) use streams::*;

/// A request, where it goes and what is answered.
pub(crate) trait Call: Message + 'static {
    /// What is answered, once or, for a stream, again and again.
    type Answer: Message + Default + 'static;
    /// `/package.Service/Method`
    const PATH: &'static str;
    /// What it does, for errors: `failed to …`.
    const DOES: &'static str;
}

/// One line per method: service, method, request, answer, what it does.
macro_rules! calls {
    ($($service:literal $method:literal ($request:ident) -> $answer:ident: $does:literal;)*) => {
        $(impl Call for $request {
            type Answer = $answer;
            const PATH: &'static str = concat!("/", $service, "/", $method);
            const DOES: &'static str = $does;
        })*
    };
}

calls! {
    "runtime.v1.RuntimeService" "Version" (VersionRequest) -> VersionResponse: "ask for the version";
    "runtime.v1.RuntimeService" "Status" (StatusRequest) -> StatusResponse: "ask for the status";
    "runtime.v1.RuntimeService" "RunPodSandbox" (RunPodSandboxRequest) -> RunPodSandboxResponse: "run the sandbox";
    "runtime.v1.RuntimeService" "StopPodSandbox" (StopPodSandboxRequest) -> Empty: "stop the sandbox";
    "runtime.v1.RuntimeService" "RemovePodSandbox" (RemovePodSandboxRequest) -> Empty: "remove the sandbox";
    "runtime.v1.RuntimeService" "PodSandboxStatus" (PodSandboxStatusRequest) -> PodSandboxStatusResponse: "ask for the sandbox";
    "runtime.v1.RuntimeService" "ListPodSandbox" (ListPodSandboxRequest) -> ListPodSandboxResponse: "list sandboxes";
    "runtime.v1.RuntimeService" "CreateContainer" (CreateContainerRequest) -> CreateContainerResponse: "create the container";
    "runtime.v1.RuntimeService" "StartContainer" (StartContainerRequest) -> Empty: "start the container";
    "runtime.v1.RuntimeService" "StopContainer" (StopContainerRequest) -> Empty: "stop the container";
    "runtime.v1.RuntimeService" "RemoveContainer" (RemoveContainerRequest) -> Empty: "remove the container";
    "runtime.v1.RuntimeService" "ListContainers" (ListContainersRequest) -> ListContainersResponse: "list containers";
    "runtime.v1.RuntimeService" "ContainerStatus" (ContainerStatusRequest) -> ContainerStatusResponse: "ask for the container";
    "runtime.v1.RuntimeService" "ContainerStats" (ContainerStatsRequest) -> ContainerStatsResponse: "ask for the container's figures";
    "runtime.v1.RuntimeService" "ExecSync" (ExecSyncRequest) -> ExecSyncResponse: "run a command in";
    "runtime.v1.RuntimeService" "Exec" (ExecRequest) -> StreamResponse: "run a command in";
    "runtime.v1.RuntimeService" "Attach" (AttachRequest) -> StreamResponse: "attach to";
    "runtime.v1.RuntimeService" "PortForward" (PortForwardRequest) -> StreamResponse: "forward ports to";
    "runtime.v1.RuntimeService" "ReopenContainerLog" (ReopenContainerLogRequest) -> Empty: "begin another log file";
    "runtime.v1.ImageService" "ListImages" (ListImagesRequest) -> ListImagesResponse: "list images";
    "runtime.v1.ImageService" "ImageStatus" (ImageStatusRequest) -> ImageStatusResponse: "ask for the image";
    "runtime.v1.ImageService" "PullImage" (PullImageRequest) -> PullImageResponse: "pull the image";
    "runtime.v1.ImageService" "RemoveImage" (RemoveImageRequest) -> Empty: "remove the image";
    "runtime.v1.ImageService" "ImageFsInfo" (ImageFsInfoRequest) -> ImageFsInfoResponse: "ask how full the disk is";
    "containerd.services.events.v1.Events" "Subscribe" (SubscribeRequest) -> Envelope: "listen to events";
}

/// An answer that says nothing but that it was done.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}
