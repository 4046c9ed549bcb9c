//! `/v1/images`: the images that applications use. An image is nothing of its own here: it is there as long as it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::{Resource, ResourceKind};
use axum::Json;
use axum::extract::State;

use crate::control::{Control, Versioned};
use crate::failure::Failure;
use crate::view::{Image, ImageUsage};

/// Every image, by its name, with who uses it and by which credentials of registries.
pub(crate) async fn list<C: Control>(State(control): State<Arc<C>>) -> Result<Json<Vec<Image>>, Failure> {
    Ok(Json(images(&control.list(ResourceKind::Application).await?)))
}

fn images(applications: &[Versioned]) -> Vec<Image> {
    let mut images: BTreeMap<&str, Vec<ImageUsage>> = BTreeMap::new();
    let applications = applications.iter().filter_map(|one| match &one.resource {
        Resource::Application(application) => Some(application),
        _ => None,
    });
    for application in applications {
        let mut used: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for service in application.init_services.iter().chain(&application.services) {
            if let Some(image) = &service.image {
                used.entry(image).or_default().push(service.name.to_string());
            }
        }
        for (image, services) in used {
            images.entry(image).or_default().push(ImageUsage {
                application: application.name.to_string(),
                services,
                registries: application.registries.iter().map(ToString::to_string).collect(),
            });
        }
    }
    let image = |(image, used_by): (&str, Vec<ImageUsage>)| Image {
        image: image.to_owned(),
        used_by,
    };
    images.into_iter().map(image).collect()
}
