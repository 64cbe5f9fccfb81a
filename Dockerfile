# The program is built outside (`make docker`), static, and is all that the image holds: no shell, no
# libc, no CA certificates. It needs none in a cluster: the API server's CA comes with the
# ServiceAccount's token, or with the kubeconfig.
FROM scratch
ARG TARGET=x86_64-unknown-linux-gnu
LABEL org.opencontainers.image.title="nodefall" \
      org.opencontainers.image.description="Gets the StatefulSet pods of a Kubernetes node that lost power running again elsewhere" \
      org.opencontainers.image.licenses="Apache-2.0" \
      nodefall.io/sbom="/nodefall: section .dep-v0, as cargo auditable writes it"
COPY target/${TARGET}/release/nodefall /nodefall
USER 65532:65532
EXPOSE 9095
ENTRYPOINT ["/nodefall"]
